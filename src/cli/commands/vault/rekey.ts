import { record } from "../../../access/audit.ts";
import { accessFailure } from "../../../access/failures.ts";
import { passphraseOf, vaultPassphrase } from "../../../access/passphrase.ts";
import { passphraseVariable, stores } from "../../../access/stores.ts";
import { vaultFailure } from "../../../vault/failures.ts";
import type { NewKey } from "../../../vault/key.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";
import { passphraseArgs } from "./passphrase-args.ts";

const sources = ["key-file", "ask-passphrase", "passphrase-stdin", "passphrase-command"] as const;

/** `codemie vault rekey`. It seals the vault's data key anew, and no record. */
export const vaultRekey = (cli: Cli) =>
  command({
    meta: { name: "rekey", description: "Seal the vault with another key: a new key file, or a passphrase" },
    examples: [
      "codemie vault rekey",
      "codemie vault rekey --ask-passphrase",
      "codemie vault rekey --passphrase-command 'pass show codemie'",
      "codemie vault rekey --key-file",
    ],
    args: {
      "key-file": { type: "boolean", description: "a new random key in the key file" },
      "ask-passphrase": { type: "boolean", description: "a passphrase that you type" },
      ...passphraseArgs,
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const { vault } = stores(runtime);
      const flags = sources.filter((name) => args[name]);
      const [flag, other] = flags;
      if (flag && other) throw commandFailure.twoKeys(`--${flag}`, `--${other}`);
      const before = await vault.sealing();
      if (!before) throw vaultFailure.none();
      const variable = passphraseVariable(runtime.env);
      // Without a flag: the environment's passphrase if the vault has a key file, else a new key of the same kind.
      const adopts = flags.length === 0 && before.with === "key-file" && variable !== undefined;
      const kind = adopts || (flags[0] ?? before.with) !== "key-file" ? "passphrase" : "key-file";
      if (kind === "passphrase" && !adopts && !flags[0]?.startsWith("passphrase") && !runtime.terminal.interactive) {
        throw accessFailure.passphraseNotGiven();
      }
      await vault.rekey(async (): Promise<NewKey> => {
        if (kind === "key-file") return { with: kind };
        if (adopts) return { with: kind, passphrase: await vaultPassphrase(runtime, variable) };
        return { with: kind, passphrase: await passphraseOf(runtime, args, "new passphrase of the vault", true) };
      });
      const detail = { "sealed-with": kind };
      await record(cli, vault, { event: "vault-rekeyed", profile: "", host: "", outcome: "ok", detail });
      const keyFile = kind === "key-file" ? vault.keyFile : null;
      output.result({ sealedWith: kind, keyFile }, () => [
        `${output.paint("good", "✓")} the vault is sealed with ${keyFile ? `a new key in ${keyFile}` : "the new passphrase"}`,
        "  what opened it before no longer does",
      ]);
      if (!adopts) sayWhatIsNext(cli, kind, args["passphrase-command"]);
    },
  });

/** Says which variable to change: one that still leads to the old key would keep the vault shut. */
function sayWhatIsNext({ runtime, output }: Cli, kind: NewKey["with"], passphraseCommand: string | undefined): void {
  const variable = passphraseVariable(runtime.env);
  if (kind === "key-file") {
    if (variable) output.say.warn(`unset ${variable}: while it is set, the vault does not open`);
  } else if (passphraseCommand !== undefined) {
    if (runtime.env.CODEMIE_VAULT_PASSPHRASE_COMMAND !== passphraseCommand) {
      output.say.info("set CODEMIE_VAULT_PASSPHRASE_COMMAND to that command, for example in your shell's profile");
    }
  } else if (variable) {
    output.say.warn(`make sure that ${variable} leads to the new passphrase`);
  } else {
    output.say.info("codemie asks for it in a terminal; without one, set CODEMIE_VAULT_PASSPHRASE_COMMAND");
  }
}
