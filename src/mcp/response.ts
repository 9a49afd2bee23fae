import { CodemieError } from "../core/errors.ts";
import { mcpFailure } from "./failures.ts";
import { longestLine } from "./framing.ts";

/** @returns the media type without its parameters, in lower case */
export function mediaType(response: Response): string {
  return (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** @returns the body as text, up to a bound; the rest is not read. Of a body that breaks off, what came of it */
export async function bounded(response: Response, limit: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > limit) return text.slice(0, limit);
    }
  } catch {
    // Its status says enough.
  }
  return text;
}

/**
 * @param origin whom it comes from
 * @param onBytes told of every chunk: a sign of life
 * @returns the whole body as text
 * @throws `server_error` when it is longer than {@link longestLine} bytes; `unreachable` when it breaks off or cannot be unpacked
 */
export async function whole(response: Response, origin: string, onBytes: () => void): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body ?? []) {
      onBytes();
      length += chunk.length;
      if (length > longestLine) throw mcpFailure.messageTooLong(longestLine);
      parts.push(chunk);
    }
  } catch (error) {
    throw error instanceof CodemieError ? error : mcpFailure.lost(origin);
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}
