/**
 * How large the compressed program is, against a program that prints one line, built by the same Bun for the same machine and
 * packed in the same way. Keeps the numbers in dist/bench-size.json.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "../../release/archive.ts";
import { ownTarget } from "../../release/targets.ts";

/** The contract, as a ratio of `.tar.zst` archives. */
const goal = 1.08;
const dist = join(import.meta.dir, "../../dist");
const folder = mkdtempSync(join(tmpdir(), "codemie-bench-"));
await Bun.write(join(folder, "one.ts"), 'console.log("one line");\n');
const words = [
  "build",
  "--compile",
  "--bytecode",
  "--format=esm",
  "--outfile",
  join(folder, "one"),
  join(folder, "one.ts"),
];
const built = Bun.spawnSync([process.execPath, ...words]);
if (built.exitCode !== 0) throw new Error(built.stderr.toString());

async function sizesOf(program: string, name: string) {
  const packed = await pack(ownTarget(), program, join(folder, name));
  const sizes = packed.map((file) => [file.replace(/^.*?\.(?=tar|exe)/, "."), Bun.file(join(folder, name, file)).size]);
  return { program: Bun.file(program).size, ...(Object.fromEntries(sizes) as Record<string, number>) };
}
const [ours, one] = [await sizesOf(join(dist, "codemie"), "ours"), await sizesOf(join(folder, "one"), "theirs")];
const result = Object.entries(ours).map(([name, bytes]) => {
  const other = one[name as keyof typeof one] ?? Number.NaN;
  return { name, bytes, oneLine: other, ratio: bytes / other };
});
for (const { name, bytes, ratio } of result)
  console.log(`${name.padEnd(10)} ${(bytes / 1e6).toFixed(1).padStart(6)} MB  ${ratio.toFixed(3)}×`);
const worst = result.find(({ name }) => name === ".tar.zst")?.ratio ?? Number.NaN;
console.log(worst <= goal ? "the goal is met" : `the goal of ${goal} is missed`);
await Bun.write(join(dist, "bench-size.json"), JSON.stringify({ goal, result }, null, 2));
rmSync(folder, { recursive: true });
