import { failure } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { Vault } from "../vault/vault.ts";
import type { StoredLogin } from "./credential.ts";
import { currentLogin, describe, proveSession, storeLogin } from "./login.ts";
import { type LoginDialogue, loginBySso } from "./sso.ts";

export interface LoginAgainOptions {
  readonly vault: Vault;
  readonly profile: string;
  readonly host: Host;
  readonly runtime: Runtime;
  /** our version, `MAJOR.MINOR.PATCH` */
  readonly version: string;
  readonly dialogue: LoginDialogue;
  readonly timeoutMs: number;
  readonly mayOpenBrowser: boolean;
  readonly stop: AbortSignal;
}

/**
 * Renews a login through the browser; with a live session at the identity provider nothing has to be typed. The old
 * login stays until the new one is proved, and it has to be the same person's.
 *
 * @returns the new login, stored
 * @throws `other_person`, what a login throws, and what the vault throws
 */
export async function loginAgain(options: LoginAgainOptions): Promise<StoredLogin> {
  const { vault, profile, host, runtime, version } = options;
  const before = await currentLogin(vault, profile, host);
  return await loginBySso({ ...options, anew: true }, async (cookies) => {
    const login = await proveSession(host, cookies, runtime, version);
    const who = describe(login.identity);
    if (login.identity.id !== before.identity.id) throw failure.otherPerson(who, describe(before.identity), profile);
    await storeLogin(vault, profile, login);
    const lines = [`${who} at ${host.origin}`, "You can close this page and go back to your terminal."];
    return { result: login, page: { good: true, title: "Your session is renewed", lines } };
  });
}
