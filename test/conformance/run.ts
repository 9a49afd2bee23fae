/**
 * Runs the client scenarios of the MCP project's conformance suite through the compiled bridge, and prints a table. With
 * UPDATE_DOCS=1 the one in docs/conformance.md is written anew. Arguments: scenarios to run, or `--except` and those to leave
 * out; none: all. With `--direct` the SDK's own client is connected to the server, with `--relay` the same client through the relay
 * of a gateway.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundled } from "../support/bundle.ts";
import { replaceSection } from "../support/document.ts";
import { startRelay } from "../support/relay.ts";

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
const ways = ["--direct", "--relay"];
const way = process.argv.find((arg) => ways.includes(arg));
const relay = way === "--relay" ? await startRelay(["localhost", "127.0.0.1", "[::1]"]) : undefined;
const args = process.argv.slice(2).filter((arg) => arg !== way);
const named = args.filter((arg) => arg !== "--except");
const wanted = all.filter(({ name }) => args.length === 0 || named.includes(name) !== args.includes("--except"));
const results: { name: string; versions: string; passed: boolean; checks: Check[]; said: string }[] = [];
const folder = mkdtempSync(join(tmpdir(), "codemie-conformance-"));
for (const { name, versions } of wanted) {
  const out = join(folder, name.replaceAll("/", "-"));
  const driver = way === undefined ? "driver.ts" : "http-driver.ts";
  const command = `${bun} ${join(import.meta.dir, driver)}`;
  const env = { ...process.env, ...(relay ? { CONFORMANCE_RELAY: relay.started.relay } : {}) };
  // Not in one piece: the relay's stand-in host answers from this process.
  const child = Bun.spawn([bun, suite, "client", "--command", command, "--scenario", name, "-o", out], {
    env,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [, said] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const file = readdirSync(out, { recursive: true })
    .map(String)
    .find((path) => path.endsWith("checks.json"));
  const checks: Check[] = file ? await Bun.file(join(out, file)).json() : [];
  const passed =
    child.exitCode === 0 &&
    checks.length > 0 &&
    checks.every(({ status }) => status === "SUCCESS" || status === "INFO");
  results.push({ name, versions, passed, checks, said });
  console.log(`${passed ? "✓" : "✗"} ${name}`);
  if (!passed) console.log(said);
}
rmSync(folder, { recursive: true });
await relay?.[Symbol.asyncDispose]();

const rows = results.map(({ name, versions, passed, checks }) => {
  const count = checks.filter(({ status }) => status === "SUCCESS").length;
  return `| \`${name}\` | ${versions.replaceAll(",", ", ")} | ${passed ? "pass" : "**fail**"} | ${count} |`;
});
const good = results.filter(({ passed }) => passed).length;
const table = ["| scenario | specification | result | checks |", "|---|---|---|---|", ...rows].join("\n");
console.log(`\n${table}\n\n${good} of ${results.length} scenarios pass`);
await Bun.write(join(root, "dist/conformance.json"), JSON.stringify(results, null, 2));
if (process.env.UPDATE_DOCS && way === undefined && args.length === 0) {
  const { version } = await Bun.file(join(installed, "package.json")).json();
  await replaceSection(
    "docs/conformance.md",
    "conformance",
    `${good} of ${results.length} client scenarios of version ${version} pass:\n\n${table}`,
  );
}
process.exit(good > 0 && good === wanted.length ? 0 : 1);
