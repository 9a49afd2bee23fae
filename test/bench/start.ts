/**
 * How long the program takes to start, against a bun-compiled program that prints one line, in the same run.
 * Prints ratios of medians and keeps the numbers in dist/bench-start.json.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codemieClaude, Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { startSandbox } from "../support/sandbox/sandbox.ts";

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
  "codemie hook": [codemie, "hook", folder],
  "codemie status-line": [codemie, "status-line", join(folder, "status-line.json")],
  "codemie --help": [codemie, "--help"],
  "codemie profile list": [codemie, "profile", "list"],
};
const run = "run-0-bench-0";
mkdirSync(join(folder, "sessions"));
await Bun.write(join(folder, "sessions", `${run}.spool`), "");
await Bun.write(
  join(folder, "status-line.json"),
  JSON.stringify({ profile: "default", model: "claude-sonnet-4-6", end: Date.now() + 3_600_000 }),
);
/** An event of Claude Code, with a prompt of some length. */
const event = JSON.stringify({
  session_id: "051ae1ae-8afc-4390-bf67-494d592178bf",
  transcript_path: join(folder, "transcript.jsonl"),
  cwd: folder,
  hook_event_name: "UserPromptSubmit",
  prompt: "word ".repeat(2_000),
});
const times: Record<string, number[]> = {};
/** From the command to the first byte that the agent prints, with a login in the vault and a host on this machine, ms. */
async function agentStarts(): Promise<number> {
  const start = performance.now();
  const child = Bun.spawn([codemieClaude, "--task", "x"], {
    env: person.env,
    cwd: person.cwd,
    stdin: "ignore",
    stderr: "ignore",
  });
  await child.stdout.getReader().read();
  const took = performance.now() - start;
  if ((await child.exited) !== 0) throw new Error("codemie-claude failed");
  return took;
}

const sandbox = await startSandbox();
const person = new Person();
await logIn(person, sandbox);
person.install("claude", "#!/bin/sh\necho started\n");
for (let round = -3; round < rounds; round++) {
  for (const [name, command] of Object.entries(commands)) {
    const start = performance.now();
    const { exitCode } = Bun.spawnSync(command, {
      env: { HOME: folder, PATH: "", CODEMIE_RUN: run },
      stdin: Buffer.from(event),
      stdout: "ignore",
      stderr: "ignore",
    });
    if (exitCode !== 0) throw new Error(`${name} failed`);
    if (round >= 0) times[name] = [...(times[name] ?? []), performance.now() - start];
  }
  const took = await agentStarts();
  if (round >= 0) times["an agent's start"] = [...(times["an agent's start"] ?? []), took];
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
if ((await Bun.file(join(folder, "sessions", `${run}.spool`)).text()).split('"event"').length !== rounds + 4)
  throw new Error("the hook did not note each event");
const version = median(times["codemie --version"] ?? []);
console.log(
  `an agent starts in ${(median(times["an agent's start"] ?? []) / version).toFixed(2)} times codemie --version`,
);
person.remove();
await sandbox.close();
rmSync(folder, { recursive: true });
