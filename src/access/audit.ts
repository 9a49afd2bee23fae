import { join } from "node:path";
import { type AuditFact, type AuditHead, auditHead, type Remembered } from "../audit/events.ts";
import { auditFailure } from "../audit/failures.ts";
import { AuditTrail } from "../audit/trail.ts";
import { loginRecord } from "../auth/credential.ts";
import { asCodemieError, CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import { silently } from "../platform/private.ts";
import type { Runtime } from "../platform/runtime.ts";
import { ProfileStore } from "../profiles/store.ts";
import type { Memory } from "../vault/memory.ts";
import type { Vault } from "../vault/vault.ts";
import type { Context } from "./context.ts";

/** The vault's record for the end of the trail. */
export const headRecord = "audit head";

/** @returns the audit trail under the base folder; the vault holds its sealed end */
export function auditTrail(runtime: Pick<Runtime, "home" | "now">, vault: Vault): AuditTrail {
  const head = {
    file: vault.fileOf(headRecord),
    read: async () => {
      try {
        return await vault.read(headRecord, auditHead);
      } catch (error) {
        // A new login replaces a damaged one. A new end of the trail would hide what happened to the old one.
        if (!(error instanceof CodemieError) || error.code !== "vault_damaged") throw error;
        throw auditFailure.headDamaged(vault.fileOf(headRecord), join(runtime.home, "audit"));
      }
    },
    write: (value: AuditHead) => vault.write(headRecord, value),
    remembered: async () =>
      (await vault.records()).flatMap<Remembered>((one) => {
        if ("problem" in one) return [{ who: `${inWords(one.name)} (${one.file})`, mark: undefined }];
        return one.mark === undefined ? [] : [{ who: inWords(one.name), mark: one.mark }];
      }),
  };
  return new AuditTrail(runtime.home, head, runtime.now);
}

/**
 * @returns the key of the audit trail, base64url; undefined when there is no trail
 * @throws as the vault
 */
export async function auditKey(vault: Vault): Promise<string | undefined> {
  return (await vault.read(headRecord, auditHead))?.key;
}

function inWords(name: string | undefined): string {
  if (name === undefined) return "a record";
  const login = loginRecord("");
  if (!name.startsWith(login)) return `the record ${printable(name, 200)}`;
  return `the login of profile ${printable(name.slice(login.length), 80)}`;
}

/**
 * Makes the vault's records remember the trail. A trail in trouble keeps nobody from logging in or out: the records
 * then go on remembering what they do, and the next event tells the person.
 */
export function memoryOf(runtime: Pick<Runtime, "home" | "now">, vault: Vault): Memory {
  return {
    async sealing(name, before) {
      if (name === headRecord) return undefined;
      try {
        return await auditTrail(runtime, vault).remember(before);
      } catch {
        return before;
      }
    },
    async removing(name, before) {
      if (name === headRecord) return;
      await auditTrail(runtime, vault)
        .takeOver(before)
        .catch(() => undefined);
    },
  };
}

/**
 * After these, the trail's own record remembers the trail too: the file of a new login may be removed or damaged. Any
 * other line would cost as many syncs again.
 */
const renewing: ReadonlySet<AuditFact["event"]> = new Set(["login", "mcp-authorized", "vault-imported"]);

/**
 * Appends an event to the audit trail if there is a vault. If that fails, it warns and does not throw: a full disk must
 * not keep anybody from logging out.
 *
 * @param begin true: make the vault and begin a trail if there is none, for events that must not go unrecorded
 */
export async function record(
  { runtime, output }: Context,
  vault: Vault,
  fact: AuditFact,
  { begin = false }: { begin?: boolean } = {},
): Promise<void> {
  const trail = auditTrail(runtime, vault);
  let isOpen = false;
  try {
    if (begin) await vault.prepare();
    else if (!(await vault.exists())) return;
    isOpen = true;
    const broken = await trail.append(fact);
    if (broken) output.say.warn(brokenWarning(broken));
    if (renewing.has(fact.event) && fact.outcome === "ok") await trail.takeOver(undefined).catch(() => undefined);
    await forwardTrail({ runtime, output });
  } catch (error) {
    if (!isOpen) trail.missed(fact);
    const { event, profile } = fact;
    const what = profile === "" ? event : `${event} of profile ${printable(profile, 40)}`;
    const { code, message } = asCodemieError(error);
    if (code === "audit_unsynced") output.say.warn(`the audit trail, ${what}: ${message}`);
    else output.say.warn(`the audit trail could not be written: ${message}; it lacks ${what}`);
  }
}

/**
 * Begins to send the trail on, where the configuration says so; nothing is loaded for it otherwise. Nobody waits: a login's
 * lock may be held. But the process does not end before it is done or given up.
 */
export async function forwardTrail(context: Context): Promise<void> {
  if ((await new ProfileStore(context.runtime.home, silently).auditForward()) === undefined) return;
  const [{ forwarderOf }, { commandMs }] = await Promise.all([
    import("./forwarding.ts"),
    import("../audit/forward.ts"),
  ]);
  void forwarderOf(context).forward(commandMs);
}

const brokenWarning = ({ detail }: AuditFact) =>
  `the audit trail is broken: its lines up to ${detail?.["up-to"]} are gone, or another vault's key wrote them; unless you moved the vault or the trail away, somebody else did`;

/**
 * Runs `work` and appends its outcome to the audit trail.
 *
 * @param detailOf returns the details of the result for the trail; never a secret
 * @returns what `work` returned
 * @throws what `work` throws
 */
export async function recorded<T>(
  context: Context,
  vault: Vault,
  fact: Omit<AuditFact, "outcome">,
  work: () => Promise<T>,
  detailOf: (result: T) => AuditFact["detail"] = () => fact.detail,
): Promise<T> {
  try {
    const result = await work();
    const detail = detailOf(result);
    await record(context, vault, { ...fact, outcome: "ok", ...(detail ? { detail } : {}) });
    return result;
  } catch (error) {
    const { code } = asCodemieError(error);
    // A usage error means that nothing was begun.
    if (code !== "usage") await record(context, vault, { ...fact, outcome: code });
    throw error;
  }
}
