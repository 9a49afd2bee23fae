import { z } from "zod";
import { readApiKey } from "../auth/api-key.ts";
import { readBearerToken } from "../auth/bearer-token.ts";
import type { StoredLogin } from "../auth/credential.ts";
import { previousLogin, storeLogin } from "../auth/stored-login.ts";
import type { Runtime } from "../platform/runtime.ts";
import { providerOf } from "../profiles/providers.ts";
import { hostOf } from "../profiles/resolve.ts";
import type { FoundSecret } from "../profiles/secrets.ts";
import type { Vault } from "../vault/vault.ts";

/** The vault's name for secrets of a profile that nothing here uses, and that must not be lost. */
const leftoverRecord = (profile: string) => `config secrets ${profile}`;
const leftovers = z.record(z.string(), z.string());

/**
 * Moves secrets out of a configuration file of the existing CLI into the vault, and says so: what a profile logs in with
 * becomes its login, the rest is kept as it was. A login of another method is never replaced.
 *
 * @throws what the vault throws; nothing has left the file then
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
  runtime.terminal.err(`note: secrets of ${names} moved from the configuration file to the vault\n`);
}

/** Gives a profile's leftover secrets to another name, or removes them. */
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
    // Whose it is the host alone could prove; until it has, it is nobody's in particular.
    return { ...common, method: "jwt", token: token.reveal(), identity: { id: "", name, email } };
  } catch {
    return undefined; // an address, a key or a token that cannot be used is kept all the same
  }
}

async function keepLeftover(vault: Vault, { profile, member, value }: FoundSecret): Promise<void> {
  const name = leftoverRecord(profile);
  await vault.locked(name, async () => {
    const before = (await vault.read(name, leftovers)) ?? {};
    await vault.write(name, { ...before, [member]: value.reveal() });
  });
}
