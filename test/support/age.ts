import { createHash } from "node:crypto";
import { join } from "node:path";
import { loginRecord, storedLogin } from "../../src/auth/credential.ts";
import { keyFileOnly, vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";
import type { Person } from "./codemie.ts";

/** The stored login of a person, as the program would read it. */
export async function storedLoginOf(person: Person, profile = "default") {
  return await vaultOf(person).read(loginRecord(profile), storedLogin);
}

/** The file a person's login lies in. */
export function loginFile(person: Person, profile = "default"): string {
  const id = createHash("sha256").update(loginRecord(profile)).digest("hex").slice(0, 32);
  return join(person.codemieHome, "vault", `${id}.json`);
}

/** The session cookies of a person's stored login. */
export async function storedCookiesOf(person: Person): Promise<Record<string, string>> {
  const login = await storedLoginOf(person);
  return login?.method === "sso" ? login.cookies : {};
}

/** Makes the stored login look as if it had last been confirmed an hour ago, and its token as if it had just ended. */
export async function ageLogin(person: Person, profile = "default"): Promise<void> {
  const vault = vaultOf(person);
  const record = loginRecord(profile);
  await vault.locked(record, async () => {
    const login = await vault.read(record, storedLogin);
    if (!login) throw new Error("there is no login to age");
    const confirmedAt = Date.now() - 3_600_000;
    await vault.write(
      record,
      login.method === "oidc" ? { ...login, confirmedAt, expiresAt: Date.now() - 1 } : { ...login, confirmedAt },
    );
  });
}

/** A person's vault, sealed with the key file. Records written with it go on remembering what they did. */
export const vaultOf = (person: Person) =>
  new Vault(vaultFiles(person.codemieHome, {}), Date.now, keyFileOnly, {
    sealing: async (_name, before) => before,
    removing: async () => undefined,
  });
