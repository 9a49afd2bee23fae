import { auditTrail, memoryOf } from "../../src/access/audit.ts";
import type { AuditTrail } from "../../src/audit/trail.ts";
import { keyFileOnly, vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";

/** Vault and trail under a base folder, tied together as the program ties them. */
export function remembering(home: string): { vault: Vault; trail: AuditTrail } {
  const machine = { home, now: Date.now };
  const vault: Vault = new Vault(vaultFiles(home, {}), Date.now, keyFileOnly, {
    sealing: (...record) => memoryOf(machine, vault).sealing(...record),
    removing: (...record) => memoryOf(machine, vault).removing(...record),
  });
  return { vault, trail: auditTrail(machine, vault) };
}
