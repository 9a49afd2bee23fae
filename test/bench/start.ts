/**
 * How long the program takes to start, against a bun-compiled program that prints one line, in the same run.
 * Prints ratios of medians and keeps the numbers in dist/bench-start.json.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const rounds = 40;
const folder = mkdtempSync(join(tmpdir(), "codemie-bench-"));
await Bun.write(join(folder, "one.ts"), 'console.log("one line");\n');
const baseline = join(folder, "one");
const built = Bun.spawnSync([
  "bun",
  "build",
  "--compile",
  "--bytecode",
  "--format=esm",
  "--outfile",
  baseline,
  join(folder, "one.ts"),
]);
if (built.exitCode !== 0) throw new Error(built.stderr.toString());

const codemie = join(import.meta.dir, "../../dist/codemie");
const commands: Record<string, string[]> = {
  "one line": [baseline],
  "codemie --version": [codemie, "--version"],
  "codemie --help": [codemie, "--help"],
  "codemie profile list": [codemie, "profile", "list"],
};
const times: Record<string, number[]> = {};
for (let round = -3; round < rounds; round++) {
  for (const [name, command] of Object.entries(commands)) {
    const start = performance.now();
    const { exitCode } = Bun.spawnSync(command, {
      env: { HOME: folder, PATH: "" },
      stdout: "ignore",
      stderr: "ignore",
    });
    if (exitCode !== 0) throw new Error(`${name} failed`);
    if (round >= 0) times[name] = [...(times[name] ?? []), performance.now() - start];
  }
}
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const base = median(times["one line"] ?? []);
const result = Object.entries(times).map(([name, values]) => ({
  name,
  ms: median(values),
  ratio: median(values) / base,
}));
for (const { name, ms, ratio } of result)
  console.log(`${name.padEnd(22)} ${ms.toFixed(1).padStart(6)} ms  ${ratio.toFixed(2)}×`);
await Bun.write(join(import.meta.dir, "../../dist/bench-start.json"), JSON.stringify({ rounds, result }, null, 2));
rmSync(folder, { recursive: true });
