import { isCi } from "../../core/env.ts";
import type { Host } from "../../core/host.ts";
import { browserFor } from "../../platform/browser.ts";
import { stoppableFetch } from "../../platform/network.ts";
import type { OidcLogin, SsoLogin, StoredLogin } from "../credential.ts";
import { authFailure } from "../failures.ts";
import { proveSession, proveTokens } from "../stored-login.ts";
import { type LoginOptions, loginDeadline, type Use } from "./browser.ts";
import { loginByDevice, loginByOidc, type OidcClient, type OidcTokens } from "./oidc.ts";
import { mayShareGrant, revokeTokens } from "./revocation.ts";
import { loginBySso } from "./sso.ts";

export interface LoginRequest extends LoginOptions {
  readonly host: Host;
  /** the profile, when it is in the configuration */
  readonly profile?: string | undefined;
  /** our version, `MAJOR.MINOR.PATCH` */
  readonly version: string;
  /** set: log in at this OpenID provider instead of the host's own single sign-on */
  readonly client?: OidcClient | undefined;
  /** true: at that provider, with a device code instead of a browser on this machine */
  readonly device?: boolean | undefined;
  /** what the profile's login is now: a new one that comes to nothing is revoked unless that could end this one too */
  readonly stored?: StoredLogin | "damaged" | undefined;
  /** true: skip the session that the browser may still have at the host; single sign-on only */
  readonly anew?: boolean;
}

/**
 * Logs a person in by the requested method and proves the login at the host before `use` can store it.
 *
 * @param use gets the proved login, may store it, and returns a result and the page for the browser
 * @returns the result of `use`
 * @throws `auth_needed` where nobody can log in; `auth_timeout`, the stop signal's failure; as {@link loginBySso}, {@link loginByOidc} or {@link loginByDevice}; as {@link proveSession} or
 *   {@link proveTokens}; what `use` throws
 */
export async function logIn<T>(request: LoginRequest, use: Use<SsoLogin | OidcLogin, T>): Promise<T> {
  requireSomebody(request);
  // A request under way must not keep the program from ending when the time is over, or the user stops it.
  const time = loginDeadline(request);
  const runtime = { ...request.runtime, fetch: stoppableFetch(request.runtime.fetch, time.signal) };
  try {
    return await logInBy({ ...request, runtime }, use, request.runtime);
  } finally {
    time.end();
  }
}

/** @throws `auth_needed` where no browser opens and nobody reads the address; `--no-browser` says that somebody does */
function requireSomebody({ runtime, host, profile, client, device, mayOpenBrowser }: LoginRequest): void {
  const { env, terminal } = runtime;
  const browser = browserFor(env);
  const isAlone = browser.kind === "none" && !browser.isWish && !terminal.interactive;
  if (isAlone && mayOpenBrowser && !device) {
    throw authFailure.nobodyToLogIn(host.origin, profile, client !== undefined, isCi(env));
  }
}

/** @param untimed the runtime without the login's time limit, to revoke what comes to nothing */
async function logInBy<T>(
  request: LoginRequest,
  use: Use<SsoLogin | OidcLogin, T>,
  untimed: LoginRequest["runtime"],
): Promise<T> {
  const { host, runtime, version, client } = request;
  if (!client)
    return await loginBySso(request, async (cookies) => use(await proveSession(host, cookies, runtime, version)));
  const options = { ...request, client };
  const prove: Use<OidcTokens, T> = async (tokens) => {
    let proved: OidcLogin | undefined;
    try {
      proved = await proveTokens(host, tokens, runtime, version);
      return await use(proved);
    } catch (error) {
      // Nobody keeps these tokens, so nobody should be able to use them.
      if (!mayShareGrant(request.stored, proved ?? tokens)) await revokeTokens(tokens, untimed);
      throw error;
    }
  };
  if (!request.device) return await loginByOidc(options, prove);
  return (await prove(await loginByDevice(options))).result;
}
