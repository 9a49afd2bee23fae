import { readFault } from "../oauth/fault.ts";
import { readBody } from "../platform/body.ts";
import { mcpFailure } from "./failures.ts";
import { longestLine } from "./framing.ts";

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

/** What servers say of a session that they do not know: at the begin of their words, perhaps behind a status. */
const forgotten =
  /^(?:[\w ]{1,40}: *)?(?:(?:mcp[- ]?)?session(?:[- ]?id)?(?: \S{1,200})? (?:is |was |has )?(?:not (?:found|valid)|unknown|invalid|expired|terminated|closed|(?:does not|no longer) exists?)|(?:no such|unknown|invalid|expired|no valid)(?: or (?:expired|unknown|missing))?(?: mcp)?[- ]session)\b/i;

/** @returns true when a server's words say that it does not know a session */
export const saysForgotten = (words: string): boolean => forgotten.test(words.slice(0, 400).trim());

/**
 * Judges an error status that answers a message of a session, but none of its requests. 404 is the specified one (MCP
 * 2025-11-25, session management); servers also send 410, 400 with words, and 401 without a challenge.
 *
 * @param words what the body says
 * @returns true when the server no longer knows the session
 */
export function forgetsSession(status: number, words: string | undefined): boolean {
  return [401, 404, 410].includes(status) || (status === 400 && /session/i.test(words ?? ""));
}

/** @returns the description in an error body of JSON-RPC, OAuth or a web framework; undefined if there is none */
export const faultOf = (text: string): string | undefined => readFault(text).description;
