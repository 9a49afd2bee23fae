import type { ArgDef, ArgsDef } from "citty";
import { stores } from "../../access/stores.ts";
import { wrap } from "../../core/text.ts";
import { versionLine } from "../../core/version.ts";
import type { Config } from "../../profiles/config.ts";
import type { Resolved } from "../../profiles/resolve.ts";
import { programSummaries } from "../commands/agent/agents.ts";
import { type Cli, type Command, commonArgs, type Loader, shownCommands } from "./command.ts";
import { shortcuts } from "./tree.ts";

/**
 * @param path the command as typed, for example `codemie profile login`
 * @returns its help: description, usage, subcommands or flags, examples
 */
export async function helpFor(cli: Cli, path: string, command: Command): Promise<string> {
  const paint = (shade: "accent" | "bold" | "dim", text: string) => cli.output.paint(shade, text);
  const meta = command.meta as { description?: string } | undefined;
  const lines = [meta?.description ?? "", ""];
  const heading = (text: string) => paint("bold", text);
  const entries = (pairs: [string, string][]) => {
    const width = Math.max(...pairs.map(([left]) => left.length));
    const indent = " ".repeat(width + 4);
    const columns = cli.runtime.terminal.columns("out");
    return pairs.map(([left, right]) => {
      const line = `  ${paint("accent", left.padEnd(width).replaceAll(" ", "\u00a0"))}  ${right}`.trimEnd();
      return wrap(line, columns, indent).replaceAll("\u00a0", " ");
    });
  };

  if (command.subCommands) {
    const name = String(command.default);
    const load: Loader | undefined = command.subCommands[name];
    const standard = load && (await load())(cli);
    const usage: [string, string][] = [[`${path} <command> [flags]`, ""]];
    if (standard) usage.push([`${path} [flags]`, `the same as ${path} ${name}`]);
    lines.push(heading("Usage"), ...entries(usage), "", heading("Commands"));
    const pairs = await shownCommands(cli, command);
    if (path === "codemie") pairs.push(...Object.entries(programSummaries));
    lines.push(...entries(pairs), "");
    if (path === "codemie") {
      const forms = Object.entries(shortcuts).map(([name, words]): [string, string] => [
        name,
        `codemie ${words.join(" ")}`,
      ]);
      lines.push(heading("Short forms"), ...entries(forms), "");
    }
    const alone: [string, string][] = [
      ["    --version", "show the version"],
      ["    --licenses", "show the licences of all that is inside"],
    ];
    const own = flags({ ...(standard?.args as ArgsDef | undefined), ...commonArgs });
    lines.push(heading("Flags"), ...entries([...own, ...(path === "codemie" ? alone : [])]));
  } else {
    const args = Object.entries((command.args as ArgsDef | undefined) ?? {});
    const words = args.filter(([, def]) => def.type === "positional");
    const usage = words.map(([name, def]) => (def.required ? ` ${name.toUpperCase()}` : ` [${name.toUpperCase()}]`));
    const after = command.takesRest ? " [-- …]" : "";
    lines.push(heading("Usage"), `  ${path}${usage.join("")} [flags]${after}`, "");
    if (words.length > 0) {
      const pairs = words.map(([name, def]): [string, string] => [name.toUpperCase(), def.description ?? ""]);
      lines.push(heading("Arguments"), ...entries(pairs), "");
    }
    const named = Object.fromEntries(args.filter(([, def]) => def.type !== "positional"));
    lines.push(heading("Flags"), ...entries(flags({ ...named, ...commonArgs })));
  }
  if (command.examples?.length) {
    lines.push("", heading("Examples"), ...command.examples.map((example) => `  ${example}`));
  }
  if (path === "codemie") lines.push("", paint("dim", versionLine));
  return `${lines.join("\n")}\n`;
}

/** @returns the first steps, or where one stands; undefined if the configuration cannot be read */
export async function firstSteps(cli: Cli): Promise<string | undefined> {
  // A greeting does not fail: the commands that need the configuration report a damaged one.
  const config = await stores(cli.runtime)
    .profiles.read()
    .catch(() => undefined);
  if (!config) return undefined;
  const { env } = cli.runtime;
  if (Object.keys(config.profiles).length > 0 || env.CODEMIE_URL || env.CODEMIE_BASE_URL)
    return await standing(cli, config);
  const typed = (text: string) => cli.output.paint("accent", text);
  return `codemie runs coding agents on the models of your company's CodeMie host. To begin:
  1. ${typed("codemie setup")}                      asks where your models are, and logs you in
  2. ${typed('codemie-claude --task "say hello"')}  runs Claude Code
In CI: ${typed("CODEMIE_URL=… CODEMIE_JWT_TOKEN=… codemie-claude --task …")}, no set-up needed.
If something is wrong: ${typed("codemie doctor")}. All commands: ${typed("codemie --help")}.
`;
}

/** Says which profile is active and which agents are here. Nobody is asked for it. */
async function standing({ runtime, output }: Cli, config: Config): Promise<string | undefined> {
  const { allAgents } = await import("../commands/agent/agents.ts");
  const { findProgram } = await import("../../platform/processes.ts");
  const { resolveProfile } = await import("../../profiles/resolve.ts");
  let resolved: Resolved;
  try {
    resolved = resolveProfile(config, {}, runtime.env, {});
  } catch {
    return undefined; // what is wrong with it, the commands say
  }
  const typed = (text: string) => output.paint("accent", text);
  const found = (await allAgents()).filter(({ binary }) => findProgram(binary, runtime.env));
  const width = Math.max(0, ...found.map(({ name }) => name.length));
  const agents = found.map(({ name, title }) => `  ${typed(`codemie-${name.padEnd(width)}`)}  runs ${title}`);
  return `profile ${resolved.name} at ${resolved.host.value.origin}
${agents.length > 0 ? agents.join("\n") : `no coding agent is on PATH: ${typed("codemie install claude")} fetches one`}
Who you are: ${typed("codemie profile status")}. All commands: ${typed("codemie --help")}.
`;
}

function flags(args: ArgsDef): [string, string][] {
  const named = Object.entries(args).filter(([, def]) => def.type !== "positional");
  return named.map(([name, def]: [string, ArgDef]) => {
    const short = "alias" in def && typeof def.alias === "string" ? `-${def.alias}, ` : "    ";
    const negative = def.type === "boolean" && def.default === true;
    const hint = def.type === "string" ? ` ${def.valueHint ?? "VALUE"}` : "";
    const about = negative && "negativeDescription" in def ? def.negativeDescription : def.description;
    const standard = def.type === "string" && def.default !== undefined ? ` (default ${def.default})` : "";
    return [`${short}--${negative ? "no-" : ""}${name}${hint}`, `${about ?? ""}${standard}`];
  });
}
