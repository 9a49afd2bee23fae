import { isHtml } from "../api/judge.ts";
import type { Host } from "../core/host.ts";
import type { Fetch } from "../platform/network.ts";
import type { Runtime } from "../platform/runtime.ts";
import { type Authorize, authorizeWithCookies } from "./authorize.ts";
import { applySetCookies, type CookieSet } from "./cookies.ts";
import { provingFetch } from "./proofs.ts";

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
  const answer = await ask(`${host.origin}/oauth2/auth`, authorizeWithCookies(cookies), runtime.fetch);
  if (answer?.status === 401) return { kind: "ended" };
  // Only the front answers 202; a web app that answers every path sends 200.
  if (answer?.status !== 202) return { kind: "unknown" };
  const change = applySetCookies(cookies, answer.headers.getSetCookie(), runtime.now());
  return change.kind === "replaced" ? { kind: "renewed", set: change.set } : { kind: "valid" };
}

/**
 * Asks whether a credential is accepted: the front, which also judges bearer tokens, else the host itself.
 *
 * @returns true when either of them says so; never throws for the network
 */
export async function isAccepted(host: Host, authorize: Authorize, fetch: Fetch): Promise<boolean> {
  const answer = await ask(`${host.origin}/oauth2/auth`, authorize, fetch);
  if (answer?.status === 202) return true;
  return answer?.status !== 401 && (await isAcceptedByHost(host, authorize, fetch));
}

/** As {@link isAccepted}, for a host whose front does not answer: asks it whose the credential is (CodeMie fact 3.1). */
export async function isAcceptedByHost(host: Host, authorize: Authorize, fetch: Fetch): Promise<boolean> {
  const answer = await ask(`${host.api}/v1/user`, authorize, fetch);
  return answer?.status === 200 && !isHtml(answer.headers);
}

/** How long an answer of {@link confirmations} holds, ms: a burst of requests asks once. */
const confirmedMs = 5_000;

/**
 * @returns a function that asks whether a credential is accepted, unless it asks already or has just asked about the same one
 */
export function confirmations(): (credential: string, ask: () => Promise<boolean>) => Promise<boolean> {
  let last: { readonly credential: string; readonly answer: Promise<boolean>; until: number } | undefined;
  return (credential, ask) => {
    if (last?.credential === credential && performance.now() < last.until) return last.answer;
    const question = { credential, answer: ask(), until: Number.POSITIVE_INFINITY };
    const settled = () => {
      question.until = performance.now() + confirmedMs;
    };
    question.answer.then(settled, settled);
    last = question;
    return question.answer;
  };
}

/** @returns status and headers of the answer, or undefined when there is none */
async function ask(url: string, authorize: Authorize, fetch: Fetch): Promise<Response | undefined> {
  const headers = new Headers();
  authorize(headers);
  try {
    const answer = await provingFetch(fetch, authorize.proofs)(url, { headers, signal: AbortSignal.timeout(probeMs) });
    await answer.body?.cancel();
    return answer;
  } catch {
    return undefined;
  }
}
