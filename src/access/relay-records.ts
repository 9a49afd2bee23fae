import * as z from "zod/mini";
import { randomBytes } from "../core/crypto.ts";
import { asCodemieError, CodemieError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import type { Vault } from "../vault/vault.ts";
import type { Context } from "./context.ts";

/** The vault's record for the secret behind the relay's addresses. */
const relayRecord = "relay";
const relaySecretShape = z.object({ secret: z.string().check(z.minLength(43)) });

/**
 * The relay's addresses are made with this secret. As long as it is the same, those that a client kept are good.
 *
 * @param begin true: make the vault if there is none. Without a vault, the secret lasts as long as the process
 * @returns 256 random bits, base64url. It never throws: a gateway without a vault that opens still works, and a warning says
 *   what it lacks
 */
export async function relaySecret({ output }: Context, vault: Vault, begin: boolean): Promise<Secret> {
  const fresh = () => randomBytes(32).toString("base64url");
  try {
    if (begin) await vault.prepare();
    else if (!(await vault.exists())) return new Secret(fresh());
    return await vault.locked(relayRecord, async () => {
      const known = await vault.read(relayRecord, relaySecretShape).catch(setAsideIfDamaged(vault));
      if (known) return new Secret(known.secret);
      const secret = fresh();
      await vault.write(relayRecord, { secret });
      return new Secret(secret);
    });
  } catch (error) {
    const { message } = asCodemieError(error);
    output.say.warn(`the relay's addresses end with this gateway, since its secret cannot be kept: ${message}`);
    return new Secret(fresh());
  }
}

/** A damaged record is put aside, as a login's is: nobody can repair it, and a new secret only costs the kept addresses. */
function setAsideIfDamaged(vault: Vault): (error: unknown) => Promise<undefined> {
  return async (error) => {
    if (!(error instanceof CodemieError) || error.code !== "vault_damaged") throw error;
    await vault.setAside(relayRecord);
    return undefined;
  };
}

/** The vault's record for the clients that registered the relay's callback. */
const clientsRecord = "relay clients";
const clientsShape = z.object({ marks: z.array(z.string()) });
/** How many of them are kept: those that came last. */
const mostMarks = 1_000;

/** @returns the clients that this installation's relays registered; without a vault, those of this process */
export async function relayClients({ output }: Context, vault: Vault) {
  const isKept = await vault.exists().catch(() => false);
  const read = async () => (isKept ? ((await vault.read(clientsRecord, clientsShape))?.marks ?? []) : []);
  const marks = new Set(await read().catch((): string[] => []));
  return {
    has: (mark: string) => marks.has(mark),
    async add(added: readonly string[]) {
      for (const mark of added) marks.add(mark);
      if (marks.size > mostMarks) for (const mark of [...marks].slice(0, marks.size - mostMarks)) marks.delete(mark);
      if (!isKept || added.length === 0) return;
      try {
        await vault.locked(clientsRecord, async () => {
          const all = [...new Set([...(await read().catch((): string[] => [])), ...added])];
          await vault.write(clientsRecord, { marks: all.slice(-mostMarks) });
        });
      } catch (error) {
        output.say.warn(
          `a client's registration through the relay could not be kept: ${asCodemieError(error).message}`,
        );
      }
    },
  };
}
