import { CodemieError } from "../core/errors.ts";

/** Failures of the audit trail, as users see them. */
export const auditFailure = {
  headDamaged: (file: string, folder: string) =>
    new CodemieError(
      "vault_damaged",
      `the sealed end of the audit trail is damaged (${file})`,
      `move that file and the folder ${folder} away, so that events are written down again; keep both, they are evidence`,
    ),
  unsynced: (why: CodemieError) =>
    new CodemieError(
      "audit_unsynced",
      `the line is written, but perhaps not on the disk yet: ${why.message}`,
      "codemie audit list shows the line; a power cut now may lose it",
      { cause: why },
    ),
  endMissing: (file: string, folder: string) =>
    new CodemieError(
      "vault_damaged",
      `the audit trail in ${folder} has no sealed end, or more than one`,
      `move that folder and ${file} away, so that events are written down again; keep both, they are evidence`,
    ),
  broken: (file: string, line: number, why: string) =>
    new CodemieError(
      "failed",
      `the audit trail is broken at ${file}:${line}: ${why}`,
      "the lines before it are as they were written; nothing proves the lines after it",
    ),
  receivedBroken: (file: string, line: number, why: string) =>
    new CodemieError(
      "failed",
      `what the receiver has is not the whole trail, at ${file}:${line}: ${why}`,
      "codemie audit verify checks the trail of this machine; compare the two at that number",
    ),
  unread: (records: readonly string[]) =>
    new CodemieError(
      "failed",
      `nothing proves that the audit trail is whole: the vault's records remember its length, and these cannot be read: ${records.join(", ")}`,
      "the lines that are there are as they were written, but later ones may be missing; a new login replaces one that is damaged, and keeps its file",
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
