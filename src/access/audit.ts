import { join } from "node:path";
import { type AuditFact, type AuditHead, auditHead } from "../audit/events.ts";
import { auditFailure } from "../audit/failures.ts";
import { AuditTrail } from "../audit/trail.ts";
import { asCodemieError, CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { Vault } from "../vault/vault.ts";
import type { Context } from "./context.ts";

/** The vault's name for the end of the trail. */
const headRecord = "audit head";

/** @returns the audit trail under the base folder, its head sealed in the vault */
export function auditTrail(runtime: Runtime, vault: Vault): AuditTrail {
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
  };
  return new AuditTrail(runtime.home, head, runtime.now);
}

/**
 * Writes an event down where there is a vault. If that fails, it warns and does not stop what the event is about: a full
 * disk must not keep anybody from logging out.
 *
 * @param begin whether the trail is begun where there is none: for what is worth one though nothing was stored
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
    await trail.append(fact);
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
 * Runs something and writes down how it ended.
 *
 * @param detailOf what of the result is worth writing down; never a secret
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
    // What was typed wrong did not begin.
    if (code !== "usage") await record(context, vault, { ...fact, outcome: code });
    throw error;
  }
}
