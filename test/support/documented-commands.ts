import type { ArgsDef } from "citty";
import { splitFlags } from "../../src/cli/bridge/flags.ts";
import { agentLoaders } from "../../src/cli/commands/agent/agents.ts";
import { readAgentArgs } from "../../src/cli/commands/agent/args.ts";
import { type Cli, type Command, commonArgs, type Loader } from "../../src/cli/frame/command.ts";
import { Output } from "../../src/cli/frame/output.ts";
import { shortcuts, tree } from "../../src/cli/frame/tree.ts";
import { realRuntime } from "../../src/platform/runtime.ts";
import type { Document } from "./markdown.ts";

/** A command as a document shows it. */
export interface Shown {
  readonly file: string;
  /** program and arguments */
  readonly words: readonly string[];
  /** false: an example to be typed; true: a mention, which may leave out what the command needs */
  readonly mention: boolean;
}

/** @returns every call of one of our programs in a document's code */
export function commandsIn({ file, blocks, codes }: Document): Shown[] {
  const examples = blocks.flatMap(({ language, text }) => {
    const lines = text.replaceAll("\\\n", " ").split("\n");
    // In a session only what is typed is a command; the rest is what the program said.
    return language === "console" ? lines.filter((line) => line.startsWith("$ ")) : lines;
  });
  return [
    ...examples.flatMap(callsIn).map((words) => ({ file, words, mention: false })),
    ...codes.flatMap(callsIn).map((words) => ({ file, words, mention: true })),
  ];
}

const program = /(?<![\w./@$-])(codemie(?:-[a-z]+)*)(?=\s)/g;
/** Where a call may begin: at the start, behind an assignment, an operator, a quote, a sign; behind a word it is an argument. */
const callBegins = /(?:^|[=|;&('"`$:]\S*|(?:^|\s)[^\w\s]+)\s*$/;

/** @returns each call in a line, as words */
export function callsIn(line: string): string[][] {
  const found = [...line.matchAll(program)].filter(({ index }) => callBegins.test(line.slice(0, index)));
  return found.map(({ index, 1: name = "" }) => {
    const before = line.slice(0, index);
    const rest = line.slice(index + name.length);
    // A call within quotes ends with them.
    const quote = ['"', "'"].find((one) => before.split(one).length % 2 === 0);
    return [name, ...wordsOf(quote ? (rest.split(quote)[0] ?? "") : rest)];
  });
}

const word = /(?:[^\s'"]|'[^']*'|"[^"]*")+/g;

/** The words up to what ends a call: a pipe, a redirection, a comment, an arrow of a drawing. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const [found] of text.matchAll(word)) {
    if (/^(?:[|;<>&]+|#.*|[^\w\s…'"/[.-]+)$/.test(found)) break;
    words.push(found.replace(/^(['"])(.*)\1$/, "$2").replace(/[;)]$/, ""));
  }
  return words;
}

const runtime = realRuntime({ HOME: "/nowhere" }, true);
const cli: Cli = { runtime, output: new Output(runtime.terminal, false), rest: [] };

/** @returns the paths of all commands of the tree, for example `codemie profile login` */
export async function allCommands(at: Command = tree, path = "codemie"): Promise<string[]> {
  const found: string[] = [];
  for (const [name, load] of Object.entries(at.subCommands ?? {})) {
    const child = (await load())(cli);
    if (child.subCommands) found.push(...(await allCommands(child, `${path} ${name}`)));
    else found.push(`${path} ${name}`);
  }
  return found;
}

/** What became of looking a command up: the commands it may mean, or what is wrong with it. */
export type Found = { readonly paths: readonly string[] } | { readonly wrong: string };

/** Looks a command up in the tree, among the agents, or as the bridge. */
export async function lookUp({ words, mention }: Pick<Shown, "words" | "mention">): Promise<Found> {
  const [name = "", ...given] = words;
  // `[flags]` and `[prompt]` stand for what may come; other brackets only say that something may be left out.
  const plain = given.filter((one) => !/^\[(?:flags|prompt)\]$/.test(one)).map((one) => one.replace(/^\[|\]$/g, ""));
  if (name === "codemie") {
    const [first = "", ...others] = plain;
    const long = Object.hasOwn(shortcuts, first) ? [...(shortcuts[first] ?? []), ...others] : plain;
    return await inTree(tree, "codemie", long, mention);
  }
  return await asProgram(name.slice("codemie-".length), plain, mention);
}

async function asProgram(name: string, args: readonly string[], mention: boolean): Promise<Found> {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  const agent = Object.hasOwn(agentLoaders, name) ? await agentLoaders[name as keyof typeof agentLoaders]() : undefined;
  const read = (words: readonly string[]) => {
    if (!agent) return void splitFlags(words);
    const { isSubcommand, rest } = readAgentArgs(words, `codemie-${name}`, agent.own);
    const foreign = isSubcommand ? undefined : rest.find((one) => one.startsWith("-"));
    if (foreign) throw new Error(`codemie-${name} has no flag ${foreign}; put what is the agent's own after --`);
  };
  if (name !== "mcp-proxy" && !agent) return { wrong: `no program codemie-${name}` };
  try {
    read(own);
  } catch (error) {
    try {
      if (!mention) throw error;
      read([...own, "VALUE"]); // a flag may be mentioned without its value
    } catch {
      return { wrong: error instanceof Error ? error.message : String(error) };
    }
  }
  return { paths: [`codemie-${name}`] };
}

async function inTree(at: Command, path: string, words: readonly string[], mention: boolean): Promise<Found> {
  const { subCommands, aliases = {} } = at;
  if (!subCommands) return checkLeaf(at, path, words, mention);
  const [first, ...rest] = words;
  const standard = at.default as string | undefined;
  if (first === undefined || first.startsWith("-")) {
    const load = standard === undefined ? undefined : (subCommands as Record<string, Loader>)[standard];
    if (load) return inTree((await load())(cli), `${path} ${standard}`, words, mention);
    const known = [
      "--version",
      "--help",
      "--json",
      "--no-color",
      undefined,
      ...(path === "codemie" ? ["--licenses"] : []),
    ];
    return known.includes(first) ? { paths: [path] } : { wrong: `${path} has no flag ${first}` };
  }
  const paths: string[] = [];
  // `list|show|use` are three commands.
  for (const one of first.split("|")) {
    const name = aliases[one] ?? one;
    const load = Object.hasOwn(subCommands, name) ? subCommands[name] : undefined;
    const found = load
      ? await inTree((await load())(cli), `${path} ${name}`, rest, mention || first.includes("|"))
      : path === "codemie"
        ? await asProgram(one, rest, mention)
        : { wrong: `${path} has no command ${one}` };
    if ("wrong" in found) return found;
    paths.push(...found.paths);
  }
  return { paths };
}

function checkLeaf(command: Command, path: string, words: readonly string[], mention: boolean): Found {
  const known: ArgsDef = { ...(command.args as ArgsDef | undefined), ...commonArgs };
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  const wrong = (why: string): Found => ({ wrong: `${path}: ${why}` });
  if (end >= 0 && !command.takesRest) return wrong("takes nothing after --");
  if (end >= 0) {
    try {
      splitFlags(words.slice(end + 1));
    } catch (error) {
      return wrong(String(error));
    }
  }
  const positionals = Object.values(known).filter(({ type }) => type === "positional");
  let given = 0;
  for (let i = 0; i < own.length; i++) {
    const one = own[i] ?? "";
    if (!one.startsWith("-")) {
      given++;
      continue;
    }
    const flag = one.split("=")[0] ?? "";
    const definition = definitionOf(flag, known);
    if (!definition) return wrong(`there is no flag ${flag}`);
    if (definition.type !== "string" || one.includes("=")) continue;
    if (own[++i] === undefined && !mention) return wrong(`${flag} lacks a value`);
  }
  if (given > positionals.length) return wrong(`takes ${positionals.length} words, not ${given}`);
  if (!mention && positionals[given]?.required) return wrong("a word is missing");
  return { paths: [path] };
}

function definitionOf(flag: string, known: ArgsDef) {
  const named = Object.entries(known).filter(([, { type }]) => type !== "positional");
  const negative = flag.startsWith("--no-") ? flag.slice(5) : undefined;
  return named.find(([name, definition]) => {
    if (definition.type === "boolean" && definition.default === true) return name === negative;
    return flag === `--${name}` || ("alias" in definition && flag === `-${definition.alias}`);
  })?.[1];
}
