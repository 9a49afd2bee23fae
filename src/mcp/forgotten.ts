import { memberAt, rpcCodes, textAt } from "./message.ts";

/** Words of servers about a session that they do not know: at the beginning of the text, perhaps behind a status. */
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

/** The server answered a request by saying that it does not know the session. */
export class Forgotten extends Error {}

/** The longest answer that is read for such words, characters. */
const shortAnswer = 2_000;

/**
 * @returns true when an answer is an error that says that the server does not know the session. Its code is one of the
 *   server's own or that of an invalid request (JSON-RPC 2.0 section 5.1): the others speak of what a tool was given
 */
export function isForgotten(text: string): boolean {
  if (text.length > shortAnswer || !/session/i.test(text)) return false;
  const code = Number(memberAt(text, "error", "code"));
  const isOfServer = code === rpcCodes.invalid || (code <= -32_000 && code >= -32_099);
  return isOfServer && saysForgotten(textAt(text, "error", "message") ?? "");
}
