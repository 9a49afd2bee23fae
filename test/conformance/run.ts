/**
 * Runs the client scenarios of the MCP project's conformance suite through the compiled bridge, and prints a table. With
 * UPDATE_DOCS=1 the one in docs/conformance.md is written anew. Arguments: scenarios to run, or `--except` and those to leave
 * out; none: all.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundled } from "../support/bundle.ts";
import { replaceSection } from "../support/document.ts";

const root = join(import.meta.dir, "../..");
const installed = join(root, "test/mcp/node_modules/@modelcontextprotocol/conformance");
const bun = process.execPath;
if (!existsSync(installed)) {
  Bun.spawnSync([bun, "install", "--frozen-lockfile"], { cwd: join(root, "test/mcp"), stdout: "inherit" });
}
const suite = bundled(join(installed, "dist/index.js"));

interface Check {
  readonly id: string;
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "INFO";
  readonly description: string;
}

const listed = Bun.spawnSync([bun, suite, "list", "--client"]).stdout.toString();
const all = [...listed.matchAll(/^\s+- (\S+) \[(.*)\]$/gm)].map(([, name = "", versions = ""]) => ({ name, versions }));
const args = process.argv.slice(2);
const named = args.filter((arg) => arg !== "--except");
const wanted = all.filter(({ name }) => args.length === 0 || named.includes(name) !== args.includes("--except"));
const results: { name: string; versions: string; passed: boolean; checks: Check[]; said: string }[] = [];
const folder = mkdtempSync(join(tmpdir(), "codemie-conformance-"));
for (const { name, versions } of wanted) {
  const out = join(folder, name.replaceAll("/", "-"));
  const command = `${bun} ${join(import.meta.dir, "driver.ts")}`;
  const run = Bun.spawnSync([bun, suite, "client", "--command", command, "--scenario", name, "-o", out]);
  const file = readdirSync(out, { recursive: true })
    .map(String)
    .find((path) => path.endsWith("checks.json"));
  const checks: Check[] = file ? await Bun.file(join(out, file)).json() : [];
  const passed =
    run.exitCode === 0 && checks.length > 0 && checks.every(({ status }) => status === "SUCCESS" || status === "INFO");
  results.push({ name, versions, passed, checks, said: run.stderr.toString() });
  console.log(`${passed ? "✓" : "✗"} ${name}`);
  if (!passed) console.log(run.stderr.toString());
}
rmSync(folder, { recursive: true });

const rows = results.map(({ name, versions, passed, checks }) => {
  const count = checks.filter(({ status }) => status === "SUCCESS").length;
  return `| \`${name}\` | ${versions.replaceAll(",", ", ")} | ${passed ? "pass" : "**fail**"} | ${count} |`;
});
const good = results.filter(({ passed }) => passed).length;
const table = ["| scenario | specification | result | checks |", "|---|---|---|---|", ...rows].join("\n");
console.log(`\n${table}\n\n${good} of ${results.length} scenarios pass`);
await Bun.write(join(root, "dist/conformance.json"), JSON.stringify(results, null, 2));
if (process.env.UPDATE_DOCS && args.length === 0) {
  const { version } = await Bun.file(join(installed, "package.json")).json();
  await replaceSection(
    "docs/conformance.md",
    "conformance",
    `${good} of ${results.length} client scenarios of version ${version} pass:\n\n${table}`,
  );
}
process.exit(good > 0 && good === wanted.length ? 0 : 1);
