import type { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { StoredLogin } from "./credential.ts";
import { authFailure } from "./failures.ts";
import { probeSession } from "./probe.ts";
import type { Renewal } from "./renewal.ts";

/**
 * Renews a login by its own method, without a person. Call it under the record's lock.
 *
 * @returns how it ended; failures of the host, the provider or the network are `unknown`, not thrown
 */
export async function renewLogin(login: StoredLogin, host: Host, runtime: Runtime): Promise<Renewal<StoredLogin>> {
  switch (login.method) {
    case "sso": {
      const found = await probeSession(host, login.cookies, runtime);
      return found.kind === "renewed" ? { kind: "renewed", login: { ...login, cookies: found.set } } : found;
    }
    case "oidc": {
      const { refreshOidc } = await import("./login/oidc.ts");
      return await refreshOidc(login, runtime);
    }
    // The user brought the token or the key, and must bring a newer one too.
    case "jwt":
    case "api-key":
      return { kind: "ended" };
  }
}

/**
 * @param outcome of the renewal of this login
 * @returns the failure to show when a provider's tokens could not be renewed, which says nothing about the login; else
 *   undefined
 */
export function problemOf(
  login: StoredLogin,
  outcome: { readonly kind: string; readonly error?: CodemieError },
): CodemieError | undefined {
  if (login.method !== "oidc" || outcome.kind !== "unknown" || !outcome.error) return undefined;
  return outcome.error.exitCode === 4 ? outcome.error : authFailure.notRenewedNow(login.issuer, outcome.error);
}
