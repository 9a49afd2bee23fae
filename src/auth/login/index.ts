import type { Host } from "../../core/host.ts";
import type { OidcLogin, SsoLogin } from "../credential.ts";
import { proveSession, proveTokens } from "../stored-login.ts";
import type { LoginOptions, Use } from "./browser.ts";
import { loginByDevice, loginByOidc, type OidcClient } from "./oidc.ts";
import { loginBySso } from "./sso.ts";

export interface LoginRequest extends LoginOptions {
  readonly host: Host;
  /** our version, `MAJOR.MINOR.PATCH` */
  readonly version: string;
  /** log in at an OpenID provider instead of the host's own single sign-on */
  readonly client?: OidcClient | undefined;
  /** with a device code instead of a browser on this machine */
  readonly device?: boolean | undefined;
  /** ask the identity provider anew, whatever session the browser still has */
  readonly anew?: boolean;
}

/**
 * Logs a person in by the method that was asked for, and proves the result at the host before anything is stored.
 *
 * @param use gets the proved login; stores it, or not, and says what the browser shows
 * @returns what `use` returned
 * @throws what the method throws, what proving throws, and what `use` throws
 */
export async function logIn<T>(request: LoginRequest, use: Use<SsoLogin | OidcLogin, T>): Promise<T> {
  const { host, runtime, version, client } = request;
  if (!client)
    return await loginBySso(request, async (cookies) => use(await proveSession(host, cookies, runtime, version)));
  const options = { ...request, client };
  if (!request.device) {
    return await loginByOidc(options, async (tokens) => use(await proveTokens(host, tokens, runtime, version)));
  }
  const tokens = await loginByDevice(options);
  return (await use(await proveTokens(host, tokens, runtime, version))).result;
}
