import * as z from "zod/mini";
import { readApiKey } from "../auth/api-key.ts";
import { readBearerToken } from "../auth/bearer-token.ts";
import type { StoredLogin } from "../auth/credential.ts";
import { previousLogin, storeLogin } from "../auth/stored-login.ts";
import type { Runtime } from "../platform/runtime.ts";
import { printNote } from "../platform/terminal.ts";
import { providerOf } from "../profiles/providers.ts";
import { hostOf } from "../profiles/resolve.ts";
import type { FoundSecret } from "../profiles/secrets.ts";
import type { Vault } from "../vault/vault.ts";

/** The vault's record for a profile's secrets that we do not use but must not lose. */
const leftoverRecord = (profile: string) => `config secrets ${profile}`;
const leftovers = z.record(z.string(), z.string());

/**
 * Copies secrets from a configuration file of the existing CLI into the vault and tells the person. The secret that a
 * profile logs in with becomes its stored login; others are kept as they are. A login of another method is never
 * replaced.
 *
 * @param secrets the secrets in the file; the caller removes them from it afterwards
 * @throws what the vault throws; the file still holds all secrets then
 */
export async function keepSecrets(runtime: Runtime, vault: Vault, secrets: readonly FoundSecret[]): Promise<void> {
  if (secrets.length === 0) return;
  await vault.prepare();
  for (const secret of secrets) {
    const login = loginOf(secret, runtime.now());
    const before = login && (await previousLogin(vault, secret.profile));
    const free = before === undefined || before === "damaged" || before.method === login?.method;
    if (login && free) await storeLogin(vault, secret.profile, login);
    else await keepLeftover(vault, secret);
  }
  const names = [...new Set(secrets.map(({ profile }) => profile))].join(", ");
  printNote(runtime.terminal, `secrets of ${names} moved from the configuration file to the vault`);
}

/**
 * Moves the secrets that a profile does not use to another profile name, or removes them.
 *
 * @param to the new name; undefined: remove them
 * @throws what the vault throws when it writes
 */
export async function moveLeftovers(vault: Vault, from: string, to: string | undefined): Promise<void> {
  const name = leftoverRecord(from);
  await vault.locked(name, async () => {
    const found = await vault.read(name, leftovers).catch(() => undefined);
    if (found && to !== undefined) await vault.write(leftoverRecord(to), found);
    if (found) await vault.remove(name);
  });
}

function loginOf({ member, value, of }: FoundSecret, nowMs: number): StoredLogin | undefined {
  try {
    const host = hostOf(of);
    if (!host) return undefined;
    const common = { origin: host.origin, loggedInAt: nowMs };
    const provider = providerOf(of.provider);
    if (member === "apiKey" && provider) {
      return { ...common, method: "api-key", provider, key: readApiKey(value.reveal()).reveal() };
    }
    if (member !== "jwtConfig.token" || host.kind !== "codemie") return undefined;
    const { token, name, email } = readBearerToken(value.reveal(), nowMs);
    // Only the host can prove whose token it is; until then it has no id.
    return { ...common, method: "jwt", token: token.reveal(), identity: { id: "", name, email } };
  } catch {
    return undefined; // with an unusable address, key or token: the caller keeps it as a leftover
  }
}

async function keepLeftover(vault: Vault, { profile, member, value }: FoundSecret): Promise<void> {
  const name = leftoverRecord(profile);
  await vault.locked(name, async () => {
    const before = (await vault.read(name, leftovers)) ?? {};
    await vault.write(name, { ...before, [member]: value.reveal() });
  });
}
