import { readBody } from "../platform/body.ts";
import { mcpFailure } from "./failures.ts";
import { longestLine } from "./framing.ts";

/** How much we read of an error answer, bytes. */
export const longestRefusal = 65_536;

/** @returns the media type without its parameters, in lower case */
export function mediaType(response: Response): string {
  return (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** @returns the first `limit` bytes of the body as text; of a body that breaks off, what came. Never throws */
export async function bounded(response: Response, limit: number): Promise<string> {
  return new TextDecoder().decode((await readBody(response.body, limit)).bytes);
}

/**
 * @param origin the server's origin, for the error
 * @param onBytes called for every chunk with how many bytes came so far; reading waits for its promise
 * @returns the whole body as text
 * @throws `server_error` when it is longer than {@link longestLine} bytes; `unreachable` when it breaks off or cannot
 *   be decompressed
 */
export async function whole(
  response: Response,
  origin: string,
  onBytes: (soFar: number) => Promise<void>,
): Promise<string> {
  const { bytes, end } = await readBody(response.body, longestLine, onBytes);
  if (end === "cut") throw mcpFailure.messageTooLong(longestLine);
  if (end === "broken") throw mcpFailure.lost(origin);
  return new TextDecoder().decode(bytes);
}

/** How much of a body without a type we look at, characters: blanks may stand before its first word. */
const longestBegin = 4_096;

/**
 * @param origin the server's origin, for the error
 * @returns an answer without `Content-Type` with the type that its body begins like: JSON, or an event stream; as it is
 *   when it begins like neither
 * @throws `unreachable` when it breaks off
 */
export async function withType(response: Response, origin: string): Promise<Response> {
  const reader = response.body?.getReader();
  if (!reader) return response;
  const pieces: Uint8Array[] = [];
  let begin = "";
  let type: string | undefined;
  try {
    while (type === undefined && begin.length < longestBegin) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value.slice());
      begin = (begin + new TextDecoder().decode(value.subarray(0, longestBegin))).replace(/^\uFEFF?\s+/, "");
      if (/^[[{]/.test(begin)) type = "application/json";
      else if (/^(?::|(?:data|event|id|retry)[:\r\n])/.test(begin)) type = "text/event-stream";
    }
  } catch {
    throw mcpFailure.lost(origin);
  }
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const first = pieces.shift();
      const { done, value } = first ? { done: false, value: first } : await reader.read();
      if (done || !value) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(body, { status: response.status, headers: type === undefined ? {} : { "content-type": type } });
}
