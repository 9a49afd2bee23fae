import { headRecord } from "../../../access/audit.ts";
import { profileOfRecord } from "../../../access/portable.ts";
import { passphraseVariable, stores } from "../../../access/stores.ts";
import { asCodemieError, type CodemieError } from "../../../core/errors.ts";
import { printable } from "../../../core/text.ts";
import { keyOfRecord } from "../../../mcp/oauth/store.ts";
import { stateOf } from "../../../platform/path-state.ts";
import type { FoundRecord } from "../../../vault/vault.ts";
import { type Cli, command } from "../../frame/command.ts";

/** `codemie vault status`. It exits with the highest exit code among the problems: 6 when the vault does not open. */
export const vaultStatus = (cli: Cli) =>
  command({
    meta: { name: "status", description: "Show what opens the vault, and whether everything in it opens" },
    examples: ["codemie vault status", "codemie vault status --json"],
    args: {},
    async run({ args }) {
      const { runtime, output } = cli;
      const { vault } = stores(runtime);
      const sealing = await vault.sealing();
      if (!sealing) {
        output.result({ exists: false, folder: vault.folder }, () => [
          "there is no vault yet: the first login makes it",
        ]);
        return 0;
      }
      const variable = passphraseVariable(runtime.env);
      const { found, problem } = await look(() => vault.records());
      const damaged = found.flatMap((one) => ("problem" in one ? [one] : []));
      const records = found.flatMap((one) => ("problem" in one ? [] : [one.name]));
      const keptAside = await vault.keptAside();
      // A change to a passphrase that was killed at its very end leaves the key file; it may also be another vault's.
      const hasUnusedKey = sealing.with === "passphrase" && (await stateOf(vault.keyFile)) !== undefined;
      const kdf = sealing.with === "passphrase" ? { ...sealing.kdf, salt: undefined } : null;
      const data = {
        exists: true,
        folder: vault.folder,
        format: 1,
        sealedWith: sealing.with,
        keyFile: sealing.with === "key-file" ? vault.keyFile : null,
        kdf,
        passphraseFrom: sealing.with === "passphrase" ? (variable ?? "terminal") : null,
        opens: problem === undefined,
        error: problem ? { code: problem.code, message: problem.message, hint: problem.hint ?? null } : null,
        records,
        damaged: damaged.map((one) => ({ name: one.name ?? null, file: one.file, message: one.problem.message })),
        keptAside,
        unusedKeyFile: hasUnusedKey ? vault.keyFile : null,
      };
      output.result(data, () => {
        const mark = problem || damaged.length > 0 ? output.paint("bad", "✗") : output.paint("good", "✓");
        const verdict = problem
          ? "the vault does not open"
          : damaged.length > 0
            ? `the vault opens, but not everything in it: ${damaged.length} damaged`
            : "the vault opens, and so does everything in it";
        const lines = [`${mark} ${verdict}`, `  folder       ${vault.folder}`];
        if (kdf) {
          lines.push(`  sealed with  a passphrase (Argon2id, ${kdf.memoryKiB / 1024} MiB, ${kdf.passes} passes)`);
          lines.push(`  passphrase   ${variable ? `from ${variable}` : "typed at the terminal"}`);
        } else lines.push("  sealed with  a key file", `  key file     ${vault.keyFile}`);
        if (!problem) lines.push(`  records      ${records.length}`);
        for (const name of records) lines.push(`    ${printable(inWords(name), 160)}`);
        if (keptAside.length > 0)
          lines.push(`  kept aside   ${keptAside.length}`, ...keptAside.map((file) => `    ${file}`));
        return lines;
      });
      if (hasUnusedKey && !args.json) {
        output.say.warn(`${vault.keyFile} does not open this vault; remove it unless it belongs to another vault`);
      }
      const problems = problem ? [problem] : damaged.map((one) => one.problem);
      if (!args.json) for (const one of problems) output.fail(one);
      return Math.max(0, ...problems.map(({ exitCode }) => exitCode));
    },
  });

/** The name of a record, for people. */
function inWords(name: string): string {
  const profile = profileOfRecord(name);
  if (profile !== undefined) return `the login of profile ${profile}`;
  const server = keyOfRecord(name);
  if (server) return `the login at the MCP server ${server.resource} (${server.issuer})`;
  return name === headRecord ? "the end of the audit trail" : name;
}

async function look(
  records: () => Promise<FoundRecord[]>,
): Promise<{ found: FoundRecord[]; problem: CodemieError | undefined }> {
  try {
    return { found: await records(), problem: undefined };
  } catch (error) {
    const problem = asCodemieError(error);
    if (problem.exitCode !== 6) throw problem;
    return { found: [], problem };
  }
}
