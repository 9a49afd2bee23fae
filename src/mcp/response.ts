import { readFault } from "../oauth/fault.ts";
import { readBody } from "../platform/body.ts";
import { mcpFailure } from "./failures.ts";
import { longestLine } from "./framing.ts";

/** @returns the media type without its parameters, in lower case */
export function mediaType(response: Response): string {
  return (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** @returns the body as text, up to so many bytes; of one that breaks off, what came of it: its status says enough */
export async function bounded(response: Response, limit: number): Promise<string> {
  return new TextDecoder().decode((await readBody(response.body, limit)).bytes);
}

/**
 * @param origin whom it comes from
 * @param onBytes told of every chunk: a sign of life
 * @returns the whole body as text
 * @throws `server_error` when it is longer than {@link longestLine} bytes; `unreachable` when it breaks off or cannot be unpacked
 */
export async function whole(response: Response, origin: string, onBytes: () => void): Promise<string> {
  const { bytes, end } = await readBody(response.body, longestLine, onBytes);
  if (end === "cut") throw mcpFailure.messageTooLong(longestLine);
  if (end === "broken") throw mcpFailure.lost(origin);
  return new TextDecoder().decode(bytes);
}

/** @returns what a refusing server says is wrong, in the forms JSON-RPC, OAuth and web frameworks have for it */
export const faultOf = (text: string): string | undefined => readFault(text).description;
