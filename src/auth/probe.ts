import type { Host } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import { authorizeWithCookies } from "./authorize.ts";
import { applySetCookies, type CookieSet } from "./cookies.ts";

/** The answer of oauth2-proxy ("the front") about a session. */
export type Probe =
  | { readonly kind: "renewed"; readonly set: CookieSet }
  | { readonly kind: "valid" }
  | { readonly kind: "ended" }
  /** there is no front, or it cannot be reached now */
  | { readonly kind: "unknown" };

/** How long the front may take to answer, ms. */
const probeMs = 10_000;

/**
 * Asks the front at `/oauth2/auth` whether a session is valid (CodeMie fact 2.4). If the front renews the session, its
 * answer holds all cookies. Call it under the record's lock: it may spend a one-time refresh token.
 *
 * @returns the front's answer; never throws for the network
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
  // Only the front answers 202; a web app that answers every path sends 200.
  if (answer.status !== 202) return { kind: "unknown" };
  const change = applySetCookies(cookies, answer.headers.getSetCookie(), runtime.now());
  return change.kind === "replaced" ? { kind: "renewed", set: change.set } : { kind: "valid" };
}
