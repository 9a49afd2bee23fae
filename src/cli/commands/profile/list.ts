import { passphraseVariable, stores } from "../../../access/stores.ts";
import { expiryOf, loginRecord, type StoredLogin, storedLogin, unrenewedEnd } from "../../../auth/credential.ts";
import { describe } from "../../../auth/stored-login.ts";
import { asCodemieError } from "../../../core/errors.ts";
import { printable, when } from "../../../core/text.ts";
import { methodOf, usableHostOf } from "../../../profiles/resolve.ts";
import type { Vault } from "../../../vault/vault.ts";
import { type Cli, command } from "../../frame/command.ts";
import { narrow, without } from "../../frame/output.ts";

/** `codemie profile list`. It asks no host and no person: where the vault needs a passphrase that is typed, it names no login. */
export const profileList = (cli: Cli) =>
  command({
    meta: { name: "list", description: "List the profiles, the active one marked" },
    examples: ["codemie profile", "codemie profile list --json"],
    args: {},
    async run() {
      const { runtime, output } = cli;
      const { vault, profiles } = stores(runtime);
      const config = await profiles.read();
      const names = Object.keys(config.profiles);
      const opens = names.length > 0 && (await opensUnasked(cli, vault));
      const logins = await Promise.all(names.map((name) => (opens ? loginOf(vault, name) : undefined)));
      const rows = Object.entries(config.profiles).map(([name, profile], i) => {
        const login = logins[i];
        const at = login ? expiryOf(login).at : null;
        return {
          name,
          active: name === config.activeProfile,
          url: usableHostOf(profile)?.origin ?? null,
          method: methodOf(profile),
          model: profile.model ?? null,
          stored: opens ? login !== undefined : null,
          user: login && login.method !== "api-key" ? { name: login.identity.name, email: login.identity.email } : null,
          expiresAt: at === null ? null : new Date(at).toISOString(),
        };
      });
      if (names.length > 0 && !opens && !output.json)
        output.say.info(
          "no logins are shown: the vault needs its passphrase, or cannot be opened (see codemie vault status)",
        );
      output.result(rows, () =>
        rows.length === 0
          ? ["no profiles yet: run codemie setup"]
          : output.table(
              [
                [" ", "PROFILE", "HOST", "LOGIN", "MODEL", "PERSON", "VALID"],
                ...rows.map(({ name, active, url, method, model, user, ...row }, i) => [
                  active ? "*" : " ",
                  printable(name),
                  url ?? "-",
                  method,
                  printable(model ?? "-"),
                  user ? describe({ id: "", ...user }) : "-",
                  validity(logins[i], row.stored, runtime.now()),
                ]),
              ],
              [
                without("MODEL"),
                without("LOGIN"),
                narrow("VALID", 15),
                narrow("PERSON", 14),
                without("PERSON"),
                narrow("HOST", 20),
                narrow("PROFILE", 12),
              ],
            ),
      );
    },
  });

/** True when the vault opens without a person. */
async function opensUnasked({ runtime }: Cli, vault: Vault): Promise<boolean> {
  try {
    const sealing = await vault.sealing();
    return sealing?.with !== "passphrase" || passphraseVariable(runtime.env) !== undefined;
  } catch (error) {
    if (asCodemieError(error).exitCode !== 6) throw error;
    return false;
  }
}

/** @returns the stored login, or undefined when there is none, or it does not open: `profile status` says why */
async function loginOf(vault: Vault, name: string): Promise<StoredLogin | undefined> {
  try {
    return await vault.read(loginRecord(name), storedLogin);
  } catch (error) {
    if (asCodemieError(error).exitCode !== 6) throw error;
    return undefined;
  }
}

/** @param stored null: the vault was not opened */
function validity(login: StoredLogin | undefined, stored: boolean | null, nowMs: number): string {
  if (!login) return stored === null ? "-" : "no login stored";
  const at = unrenewedEnd(login);
  if (at === undefined) return expiryOf(login).at === null ? "until it is ended" : "renews itself";
  return `${at <= nowMs ? "ended" : "ends"} ${when(at, nowMs)}`;
}
