import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** What GitHub's runner and GitLab's log viewer make of a job's output, after their sources. */

/** A command that GitHub's runner obeys. */
export interface RunnerCommand {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly data: string;
}

const registered =
  /^(add-mask|add-matcher|add-path|debug|echo|endgroup|error|group|notice|remove-matcher|save-state|set-env|set-output|stop-commands|warning)$/i;

/**
 * Reads a step's output as the runner does (`ActionCommand.cs`): `::name props::data` behind spaces, `##[name props]data` anywhere.
 *
 * @returns the commands, but for those between `stop-commands` and its end, and the text that the log shows
 */
export function asGithubReads(output: string): { commands: RunnerCommand[]; shown: string } {
  const commands: RunnerCommand[] = [];
  const shown: string[] = [];
  let resumes: string | undefined;
  for (const line of output.split(/\r\n|\n|\r/)) {
    const found = /^\s*::(.*?)::(.*)$/s.exec(line) ?? /##\[(.*?)\](.*)$/s.exec(line);
    const [, info = "", data = ""] = found ?? [];
    if (resumes !== undefined) {
      if (info === resumes) resumes = undefined;
      else shown.push(line);
      continue;
    }
    if (info === "stop-commands") resumes = data;
    const [name = "", ...rest] = info.split(" ");
    if (!found || !registered.test(name)) {
      shown.push(line);
      continue;
    }
    const pairs = rest
      .join(" ")
      .split(",")
      .filter(Boolean)
      .map((pair) => pair.split("="));
    const properties = Object.fromEntries(pairs.map(([key = "", ...value]) => [key, unescaped(value.join("="), true)]));
    commands.push({ name, properties, data: unescaped(data, false) });
  }
  return { commands, shown: shown.join("\n") };
}

function unescaped(text: string, isProperty: boolean): string {
  const plain = text.replaceAll("%0D", "\r").replaceAll("%0A", "\n");
  return (isProperty ? plain.replaceAll("%3A", ":").replaceAll("%2C", ",") : plain).replaceAll("%25", "%");
}

/** @returns the sections that GitLab folds, by what begins or ends them */
export const asGitlabReads = (output: string): string[] =>
  [...output.replaceAll("\u001b", "<esc>").matchAll(/section_(start|end):\d+:(\w+)(?:\[[^\]]*\])?\r<esc>\[0K/g)].map(
    ([, what, name]) => `${what} ${name}`,
  );

/** A step of a composite action. */
interface Step {
  readonly name?: string;
  readonly id?: string;
  readonly shell?: string;
  readonly if?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly run?: string;
  readonly "working-directory"?: string;
}

/** A composite action, so far as the tests run it. */
export interface Action {
  readonly inputs: Readonly<Record<string, { readonly default?: string; readonly required?: boolean }>>;
  readonly outputs?: Readonly<Record<string, { readonly value: string }>>;
  readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

/** How a job's programs ended. */
export interface JobEnd {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A script as a runner starts it. */
export async function script(text: string, cwd: string, env: Record<string, string>): Promise<JobEnd> {
  const child = Bun.spawn(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text], {
    cwd,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, out, err };
}

/** The one condition that the action has: also after a step that failed, if a step before gave that output. */
const alwaysWithOutput = /^always\(\) && steps\.([\w-]+)\.outputs\.([\w-]+) != ''$/;

/**
 * Runs the steps of a composite action one by one, with its inputs and the outputs of steps before where `env:` names them.
 *
 * @param env the environment of the job; each step gets a `GITHUB_OUTPUT` of its own, in `RUNNER_TEMP`
 * @returns the first exit code that is not 0, everything printed, and the action's outputs
 * @throws for an expression anywhere else than in `env:` and `working-directory:`: in a script it would be code
 */
export async function runAction(
  action: Action,
  inputs: Readonly<Record<string, string>>,
  cwd: string,
  env: Record<string, string>,
): Promise<JobEnd & { outputs: Record<string, string> }> {
  const outputs = new Map<string, string>();
  const filled = (text: string) =>
    text.replace(/\$\{\{\s*(inputs|steps)\.([\w-]+)(?:\.outputs\.([\w-]+))?\s*\}\}/g, (_, from, name, output) => {
      if (from === "steps") return outputs.get(`${name} ${output}`) ?? "";
      if (!Object.hasOwn(action.inputs, name)) throw new Error(`the action has no input ${name}`);
      return inputs[name] ?? action.inputs[name]?.default ?? "";
    });
  const ended = { code: 0, out: "", err: "", outputs: {} as Record<string, string> };
  for (const step of action.runs.steps) {
    if (step.run === undefined || step.shell !== "bash") throw new Error("every step must be a script for bash");
    if (step.run.includes("${{")) throw new Error("an expression in a script is code that others can write");
    const own = Object.fromEntries(Object.entries(step.env ?? {}).map(([name, value]) => [name, filled(value)]));
    if (JSON.stringify(own).includes("${{")) throw new Error("an expression that this runner does not know");
    const [, from, output] = alwaysWithOutput.exec(step.if ?? "") ?? [];
    if (step.if !== undefined && from === undefined)
      throw new Error(`a condition that this runner does not know: ${step.if}`);
    if (from === undefined ? ended.code !== 0 : !outputs.get(`${from} ${output}`)) continue;
    const file = join(env.RUNNER_TEMP ?? "", `output-${action.runs.steps.indexOf(step)}`);
    writeFileSync(file, "");
    const done = await script(step.run, filled(step["working-directory"] ?? "") || cwd, {
      ...env,
      ...own,
      GITHUB_OUTPUT: file,
    });
    for (const line of (await Bun.file(file).text()).split("\n")) {
      const at = line.indexOf("=");
      if (at > 0) outputs.set(`${step.id} ${line.slice(0, at)}`, line.slice(at + 1));
    }
    ended.out += done.out;
    ended.err += done.err;
    ended.code ||= done.code;
  }
  for (const [name, { value }] of Object.entries(action.outputs ?? {})) ended.outputs[name] = filled(value);
  return ended;
}
