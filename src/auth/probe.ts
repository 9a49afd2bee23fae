import type { Host } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import { authorizeWithCookies } from "./authorize.ts";
import { applySetCookies, type CookieSet } from "./cookies.ts";

/** What the front says of a session when asked directly. */
export type Probe =
  | { readonly kind: "renewed"; readonly set: CookieSet }
  | { readonly kind: "valid" }
  | { readonly kind: "ended" }
  /** no front that answers this, or none that can be reached just now */
  | { readonly kind: "unknown" };

/** How long the front may take, ms. */
const probeMs = 10_000;

/**
 * Asks the front about a session at `/oauth2/auth` (CodeMie fact 2.4): a yes or no, and all of the cookies when it
 * renewed them. Call it under the record's lock: it may spend a refresh token that works once.
 *
 * @returns what it said; never throws
 */
export async function probeSession(host: Host, cookies: CookieSet, runtime: Runtime): Promise<Probe> {
  const headers = new Headers();
  authorizeWithCookies(cookies)(headers);
  let answer: Response;
  try {
    answer = await runtime.fetch(`${host.origin}/oauth2/auth`, { headers, signal: AbortSignal.timeout(probeMs) });
    await answer.body?.cancel();
  } catch {
    return { kind: "unknown" };
  }
  if (answer.status === 401) return { kind: "ended" };
  // 202 is the front's own; a web app that answers every path would say 200.
  if (answer.status !== 202) return { kind: "unknown" };
  const change = applySetCookies(cookies, answer.headers.getSetCookie(), runtime.now());
  return change.kind === "replaced" ? { kind: "renewed", set: change.set } : { kind: "valid" };
}
