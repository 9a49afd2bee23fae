import { type ArgsDef, runCommand } from "citty";
import type { Env } from "../../core/env.ts";
import { signingKey, version, versionLine } from "../../core/version.ts";
import { realRuntime } from "../../platform/runtime.ts";
import { agentLoaders } from "../commands/agent/agents.ts";
import { cliFailure } from "../failures.ts";
import { type Cli, type Command, commonArgs } from "./command.ts";
import { frameFailure } from "./failures.ts";
import { Output } from "./output.ts";
import { shortcuts, tree } from "./tree.ts";

/** How the program was called: the name decides first, then the first word. */
export interface Invocation {
  /** file name of the program, without `.exe` */
  readonly program: string;
  readonly args: readonly string[];
}

/**
 * Runs one command line from start to end. Prints a failure instead of throwing it.
 *
 * @param env the environment as it was at the start
 * @returns the exit code
 */
export async function run(call: Invocation, env: Env): Promise<number> {
  const agent = agentOf(call);
  const args = agent ? agent.args : call.args;
  const own = agent ? [] : args;
  const runtime = realRuntime(env, own.includes("--no-color"));
  const isSilent = agent !== undefined && untilDashes(agent.args).some((arg) => arg === "--silent" || arg === "-s");
  const output = new Output(runtime.terminal, own.includes("--json"), isSilent);
  try {
    if (agent) {
      const { runAgent } = await import("../commands/agent/run.ts");
      return await runAgent({ runtime, output, rest: [] }, await agentLoaders[agent.name](), agent.args);
    }
    if (args[0] === "__complete") {
      await (await import("./complete.ts")).complete({ runtime, output, rest: [] }, args.slice(1));
      return 0;
    }
    const ours = untilDashes(args);
    return await runTree({ runtime, output, rest: args.slice(ours.length + 1) }, ours);
  } catch (error) {
    return output.ended(error);
  }
}

/** The arguments up to the first `--`. */
function untilDashes(args: readonly string[]): readonly string[] {
  const end = args.indexOf("--");
  return end < 0 ? args : args.slice(0, end);
}

type AgentName = keyof typeof agentLoaders;
const isAgent = (name: string | undefined): name is AgentName =>
  name !== undefined && Object.hasOwn(agentLoaders, name);

function agentOf({ program, args }: Invocation): { name: AgentName; args: readonly string[] } | undefined {
  const byName = program.startsWith("codemie-") ? program.slice("codemie-".length) : undefined;
  if (isAgent(byName)) return { name: byName, args };
  const [first, ...rest] = args;
  return isAgent(first) ? { name: first, args: rest } : undefined;
}

async function runTree(cli: Cli, args: readonly string[]): Promise<number> {
  let current = tree;
  let path = "codemie";
  let rest = args.filter((arg) => arg !== "--no-color");
  if (rest[0] === "help") rest = [...rest.slice(1), "--help"];
  const at = rest.findIndex((arg) => !isCommonFlag(arg));
  const typed = rest[at] ?? "";
  if (Object.hasOwn(shortcuts, typed)) rest = rest.toSpliced(at, 1, ...(shortcuts[typed] ?? []));
  while (current.subCommands) {
    // A word behind a flag may be that flag's value: only a word that comes first names a command.
    const first = rest.find((arg) => !isCommonFlag(arg));
    const word = first?.startsWith("-") ? undefined : first;
    const standard = current.default as string | undefined;
    const asked = word !== undefined && Object.hasOwn(current.aliases ?? {}, word) ? current.aliases?.[word] : word;
    const name = asked ?? (wantsHelp(rest) ? undefined : standard);
    if (name === undefined) {
      const unknown = rest.find((arg) => arg.startsWith("-") && !isCommonFlag(arg));
      if (unknown === "--version" || unknown === "-v" || unknown === "-V") {
        cli.output.result({ version, build: versionLine, signingKey }, () => [versionLine]);
        return 0;
      }
      if (unknown === "--licenses" && path === "codemie") {
        const { licenses } = await import("../../core/licenses.ts");
        const lines = licenses.flatMap(({ name, version, license, text }) => [
          `${name} ${version}: ${license}`,
          "",
          text,
          "",
        ]);
        cli.output.result(licenses, () => lines, true);
        return 0;
      }
      if (unknown) {
        const { flagOfGroup } = await import("./refusals.ts");
        throw await flagOfGroup(cli, unknown, rest, path, current);
      }
      const { helpFor, firstSteps } = await import("./help.ts");
      const greeting = args.length === 0 ? await firstSteps(cli) : undefined;
      cli.output.text(greeting ?? (await helpFor(cli, path, current)));
      return 0;
    }
    const load = Object.hasOwn(current.subCommands, name) ? current.subCommands[name] : undefined;
    if (!load) throw await (await import("./refusals.ts")).unknownCommand(cli, path, name, current);
    if (word !== undefined) rest = rest.toSpliced(rest.indexOf(word), 1);
    path = `${path} ${name}`;
    current = (await load())(cli);
  }
  if (wantsHelp(rest)) {
    const { helpFor } = await import("./help.ts");
    cli.output.text(await helpFor(cli, path, current));
    return 0;
  }
  try {
    if (cli.rest.length > 0 && !current.takesRest) {
      throw frameFailure.nothingAfterDashes(path);
    }
    // Scripts give it everywhere; where no question is asked it changes nothing.
    if (!Object.hasOwn(current.args ?? {}, "yes")) rest = rest.filter((arg) => !isYes(arg));
    const args = { ...(current.args as ArgsDef | undefined), ...commonArgs };
    await checkFlags(rest, args, path, current);
    const { result } = await runCommand({ ...current, args }, { rawArgs: rest });
    return typeof result === "number" ? result : 0;
  } catch (error) {
    current.failing?.();
    throw error;
  }
}

const wantsHelp = (args: readonly string[]) => args.includes("--help") || args.includes("-h");
const isYes = (arg: string) => arg === "--yes" || arg === "-y";
const isCommonFlag = (arg: string) => ["--json", "--no-color", "--help", "-h"].includes(arg) || isYes(arg);

/** citty silently accepts unknown flags, missing values and surplus words; here each is a usage error. */
async function checkFlags(args: readonly string[], known: ArgsDef, path: string, command: Command): Promise<void> {
  const positionals = Object.entries(known).filter(([, def]) => def.type === "positional");
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
      if (words.length > positionals.length)
        throw (await import("./refusals.ts")).surplusWord(path, positionals.length);
      continue;
    }
    const [flag = "", inline] = splitOnce(arg);
    const name = nameOf(flag, known);
    const def = name === undefined ? undefined : known[name];
    if (!def) throw (await import("./refusals.ts")).unknownFlag(flag, known, path, command);
    if (def.type === "boolean") {
      if (inline !== undefined) throw cliFailure.takesNoValue(path, flag);
      continue;
    }
    const value = inline ?? args[++i];
    if (value === undefined || value === "" || (inline === undefined && value.startsWith("--"))) {
      throw cliFailure.needsValue(path, flag);
    }
  }
  const missing = positionals[words.length]?.[1];
  if (missing?.required) throw (await import("./refusals.ts")).missingWord(path, words, missing.description ?? "");
}

/** The argument that a flag sets: by its name, by its one-letter alias, or by `--no-` and the name of a switch. */
function nameOf(flag: string, known: ArgsDef): string | undefined {
  const negative = flag.startsWith("--no-") ? flag.slice(5) : undefined;
  if (negative !== undefined) return known[negative]?.type === "boolean" ? negative : undefined;
  const name = flag.startsWith("--") ? flag.slice(2) : undefined;
  if (name !== undefined) return Object.hasOwn(known, name) && known[name]?.type !== "positional" ? name : undefined;
  return Object.entries(known).find(([, def]) => "alias" in def && def.alias === flag.slice(1))?.[0];
}

function splitOnce(arg: string): [string, string | undefined] {
  const at = arg.indexOf("=");
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}
