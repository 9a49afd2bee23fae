/**
 * Runs every benchmark, one after the other, and gathers their ratios into one table: dist/bench.md and dist/bench.json.
 * `--before FILE` compares with the `bench.json` of the release before.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../../package.json";
import { benchmarks, type Ratio, ratiosOf, tableOf } from "./table.ts";

const { values: flags } = parseArgs({ options: { before: { type: "string" } } });
const before: { ratios: Ratio[] } | undefined =
  flags.before === undefined ? undefined : await Bun.file(flags.before).json();
const dist = join(import.meta.dir, "../../dist");
const ratios: Ratio[] = [];
const failed: string[] = [];
for (const name of benchmarks) {
  const ended = Bun.spawnSync([process.execPath, join(import.meta.dir, `${name}.ts`)], { stdio: ["ignore", 2, 2] });
  if (ended.exitCode !== 0) failed.push(name);
  else ratios.push(...ratiosOf(name, await Bun.file(join(dist, `bench-${name}.json`)).json()));
}
const table = tableOf(ratios, before?.ratios);
await Bun.write(join(dist, "bench.md"), `${table}\n`);
await Bun.write(join(dist, "bench.json"), `${JSON.stringify({ version, ratios, failed }, undefined, 2)}\n`);
console.log(table);
if (failed.length > 0) {
  console.error(`these benchmarks failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
