import { resolve } from "node:path";
import { record } from "../../../access/audit.ts";
import { passphraseOf } from "../../../access/passphrase.ts";
import { type Portable, profileOfRecord } from "../../../access/portable.ts";
import { stores, storesToChange } from "../../../access/stores.ts";
import { requireNewFile } from "../../../platform/path-state.ts";
import { writeNewFile } from "../../../platform/private.ts";
import { vaultFailure } from "../../../vault/failures.ts";
import { sealExport } from "../../../vault/portable.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";
import { passphraseArgs } from "./passphrase-args.ts";

/** `codemie vault export FILE`. It leaves out damaged records, with a warning, and then exits 6. */
export const vaultExport = (cli: Cli) =>
  command({
    meta: { name: "export", description: "Write your logins to one file, sealed with a passphrase of its own" },
    examples: [
      "codemie vault export logins.codemie",
      "codemie vault export logins.codemie --passphrase-command 'pass show codemie-export'",
    ],
    args: {
      file: { type: "positional", required: false, description: "file to write; it must not exist" },
      ...passphraseArgs,
    },
    async run({ args }) {
      const { runtime, output } = cli;
      if (!args.file) throw commandFailure.exportFileMissing();
      const file = resolve(runtime.cwd, args.file);
      // Before the vault asks for its passphrase.
      if (await stores(runtime).vault.sealing()) await requireNewFile(file);
      const { vault, profiles } = await storesToChange(runtime);
      if (!(await vault.exists())) throw vaultFailure.none();
      const found = await vault.records();
      const config = await profiles.read();
      const content: Portable = { records: [], profiles: {} };
      const damaged = [];
      for (const one of found) {
        if ("problem" in one) {
          damaged.push(one);
          continue;
        }
        const profile = profileOfRecord(one.name);
        if (profile === undefined) continue;
        content.records.push({ name: one.name, record: one.value });
        const settings = Object.hasOwn(config.profiles, profile) ? config.profiles[profile] : undefined;
        if (settings) content.profiles[profile] = settings;
      }
      const passphrase = await passphraseOf(runtime, args, "passphrase for the export", true);
      const sealed = await sealExport(new TextEncoder().encode(JSON.stringify(content)), passphrase);
      await writeNewFile(file, sealed);
      const detail = { records: content.records.length };
      await record(cli, vault, { event: "vault-exported", profile: "", host: "", outcome: "ok", detail });
      const records = content.records.map(({ name }) => name);
      const leftOut = damaged.map((one) => ({ name: one.name ?? null, file: one.file, message: one.problem.message }));
      output.result({ file, records, damaged: leftOut }, () => [
        `${output.paint("good", "✓")} ${records.length} ${records.length === 1 ? "login" : "logins"} written to ${file}`,
        "  anybody who has the file and its passphrase can use it: remove the file once it is imported",
      ]);
      if (!args.json) for (const one of damaged) output.say.warn(`left out: ${one.problem.message}`);
      return damaged.length > 0 ? 6 : 0;
    },
  });
