import type { ArgsDef } from "citty";

/** Flags of the commands that take a new passphrase, or one for an export. */
export const passphraseArgs = {
  "passphrase-stdin": { type: "boolean", description: "the passphrase is the first line of standard input" },
  "passphrase-command": {
    type: "string",
    valueHint: "COMMAND",
    description: "the passphrase is the first line COMMAND prints",
  },
} as const satisfies ArgsDef;
