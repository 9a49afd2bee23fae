import type { Host } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { StoredLogin } from "./credential.ts";
import { probeSession } from "./probe.ts";

/** What came of renewing a login without a person. */
export type Renewal =
  | { readonly kind: "renewed"; readonly login: StoredLogin }
  /** it goes on as it is */
  | { readonly kind: "valid" }
  /** only a new login helps */
  | { readonly kind: "ended" }
  /** nobody could be asked just now */
  | { readonly kind: "unknown" };

/**
 * Renews a login by its own method. Call it under the record's lock.
 *
 * @returns what came of it; never throws for what the host, the provider or the network did
 */
export async function renewLogin(login: StoredLogin, host: Host, runtime: Runtime): Promise<Renewal> {
  if (login.method === "sso") {
    const found = await probeSession(host, login.cookies, runtime);
    return found.kind === "renewed" ? { kind: "renewed", login: { ...login, cookies: found.set } } : found;
  }
  // A token and a key come from elsewhere, and so does a newer one.
  if (login.method !== "oidc") return { kind: "ended" };
  const { refreshOidc } = await import("./login/oidc.ts");
  const found = await refreshOidc(login, runtime);
  return found.kind === "renewed" ? { kind: "renewed", login: { ...login, ...found.tokens } } : found;
}
