import type { ArgDef, ArgsDef, CommandMeta } from "citty";
import { recalledModels } from "../../access/models.ts";
import { stores } from "../../access/stores.ts";
import { auditEvents } from "../../audit/events.ts";
import { callbackHosts } from "../../core/host.ts";
import { printable } from "../../core/text.ts";
import { providerNames } from "../../profiles/providers.ts";
import { methods, resolveProfile } from "../../profiles/resolve.ts";
import { settings } from "../../profiles/settings.ts";
import { bridgeFlagsWithHelp } from "../bridge/help.ts";
import { agentLoaders, programSummaries } from "../commands/agent/agents.ts";
import { shells } from "../commands/completion.ts";
import { type Cli, type Command, commonArgs, type Loader, shownCommands } from "./command.ts";
import { shortcuts, tree } from "./tree.ts";

/** A word that may come next, and its description. */
type Candidate = readonly [word: string, about: string];

/** Models whose names may be offered: a shell inserts a candidate unquoted, and the host chooses the names. */
const plainWord = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$/;

/** Our flags of an agent's command line. Completion does not offer the agent's own. */
const agentFlags: Readonly<Record<string, string>> = {
  "--task": "run without interaction and exit",
  "--model": "model to use",
  "--profile": "profile to run with",
  "--base-url": "CodeMie host",
  "--jwt-token-file": "file with a bearer token",
  "--id-token": "use this job's own identity",
  "--audience": "whom the identity token is for",
  "--reasoning-effort": "how much the model should think",
  "--resume": "continue an earlier session",
  "--trust-folder": "let this folder's own settings take part",
  "--timeout": "longest wait for the first byte, seconds",
  "--silent": "no banner, no notes",
  "--help": "show the help",
};

/** Values of the bridge's flags. */
const bridgeValues: Readonly<Record<string, readonly string[]>> = {
  transport: ["auto", "http", "sse"],
  grant: ["authorization-code", "client-credentials", "enterprise", "jwt-bearer"],
  "callback-host": callbackHosts,
};

/**
 * Prints the words that may come next, for a shell's completion. One line each: word, tab, description. None on errors.
 *
 * @param words the words typed so far without the program's name; the last is the one being typed, possibly empty
 */
export async function complete(cli: Cli, words: readonly string[]): Promise<void> {
  const typed = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const found = await candidates(cli, before, typed).catch(() => []);
  const fitting = found.filter(([word]) => word.startsWith(typed));
  const lines = fitting.map(([word, about]) => `${printable(word, 120)}\t${printable(about, 120)}\n`);
  cli.runtime.terminal.out(lines.join(""));
}

async function candidates(cli: Cli, asTyped: readonly string[], typed: string): Promise<Candidate[]> {
  const [first = "", ...others] = asTyped;
  const before = Object.hasOwn(shortcuts, first) ? [...(shortcuts[first] ?? []), ...others] : asTyped;
  const last = before.at(-1) ?? "";
  if (Object.hasOwn(agentLoaders, first)) {
    if (before.includes("--")) return [];
    if (last.startsWith("-")) {
      const values = await valuesOf(cli, last.replace(/^-m$/, "--model").slice(2), before);
      if (values) return values;
    }
    return typed.startsWith("-") ? Object.entries(agentFlags) : [];
  }
  if (first === "mcp-proxy") {
    const values = last.startsWith("--") ? bridgeValues[last.slice(2)] : undefined;
    if (values) return values.map((value): Candidate => [value, ""]);
    if (last === "--profile") return await profilesOf(cli);
    return typed.startsWith("-") ? bridgeFlagsWithHelp() : [];
  }
  let command: Command = tree;
  let path = "";
  let words = 0;
  for (const word of before) {
    if (word.startsWith("-")) continue;
    const load: Loader | undefined = command.subCommands?.[command.aliases?.[word] ?? word];
    if (!load) {
      words++;
      continue;
    }
    command = (await load())(cli);
    if ((command.meta as CommandMeta).hidden) return [];
    path = `${path} ${word}`.trim();
    words = 0;
  }
  const standard: Loader | undefined = command.subCommands?.[String(command.default)];
  if (standard && (typed.startsWith("-") || last.startsWith("-"))) command = (await standard())(cli);
  const args: ArgsDef = { ...(command.args as ArgsDef | undefined), ...commonArgs };
  const flag = Object.entries(args).find(([name, def]) => last === `--${name}` && def.type === "string");
  if (flag) return (await valuesOf(cli, flag[0], before)) ?? [];
  if (typed.startsWith("-")) return Object.entries(args).flatMap(flagOf);
  if (command.subCommands) return await subCommands(cli, command, path);
  return await positionals(cli, path, words, before);
}

function flagOf([name, def]: [string, ArgDef]): Candidate[] {
  if (def.type === "positional") return [];
  const negative = def.type === "boolean" && def.default === true && "negativeDescription" in def;
  return [[`--${negative ? "no-" : ""}${name}`, String((negative ? def.negativeDescription : def.description) ?? "")]];
}

async function subCommands(cli: Cli, command: Command, path: string): Promise<Candidate[]> {
  const found = await shownCommands(cli, command);
  if (path !== "") return found;
  const forms = Object.entries(shortcuts).map(([name, words]): Candidate => [name, `codemie ${words.join(" ")}`]);
  return [...found, ...Object.entries(programSummaries), ...forms];
}

/** Candidates for a command's positional arguments; `words` of them, the last of `before`, are typed already. */
async function positionals(cli: Cli, path: string, words: number, before: readonly string[]): Promise<Candidate[]> {
  const [group, name] = path.split(" ");
  const one = words === 0;
  if (one && group === "profile" && ["use", "switch", "show", "rename", "delete"].includes(name ?? ""))
    return profilesOf(cli);
  if (one && group === "config") return settings.map((setting): Candidate => [setting.name, setting.about]);
  if (words === 1 && path === "config set" && /model$/i.test(before.at(-1) ?? ""))
    return (await valuesOf(cli, "model", before)) ?? [];
  if (one && path === "install") return Object.keys(agentLoaders).map((agent): Candidate => [agent, ""]);
  if (one && path === "proxy env") {
    const { usablePrograms } = await import("../commands/proxy/programs.ts");
    return (await usablePrograms()).map((program): Candidate => [program.name, program.title]);
  }
  if (one && group === "completion") return shells.map((shell): Candidate => [shell, ""]);
  return [];
}

/** Candidates for a flag's value; undefined when the flag takes any text. */
async function valuesOf(cli: Cli, flag: string, before: readonly string[]): Promise<Candidate[] | undefined> {
  const list = (names: readonly string[]) => names.map((name): Candidate => [name, ""]);
  switch (flag) {
    case "profile":
      return await profilesOf(cli);
    case "model":
      return await modelsOf(cli, before.includes("--profile") ? before[before.indexOf("--profile") + 1] : undefined);
    case "provider":
      return list(providerNames);
    case "method":
      return list(methods);
    case "id-token":
      return list(["github", "env:", "file:"]);
    case "format":
      return list(["raw", "header", "json"]);
    case "event":
      return Object.entries(auditEvents);
    default:
      return undefined;
  }
}

async function profilesOf({ runtime }: Cli): Promise<Candidate[]> {
  const { profiles } = await stores(runtime).profiles.read();
  return Object.entries(profiles).map(([name, { codeMieUrl, baseUrl }]) => [name, codeMieUrl ?? baseUrl ?? ""]);
}

/**
 * The models of the last listing. Completion sends no request: a request may renew the session, and a shell that gives
 * up half-way would lose the renewed one.
 */
async function modelsOf(cli: Cli, profile: string | undefined): Promise<Candidate[]> {
  const config = await stores(cli.runtime).profiles.read();
  const whose = resolveProfile(config, { profile }, cli.runtime.env, {});
  const models = await recalledModels(cli.runtime.home, whose);
  return models.filter(({ id }) => plainWord.test(id)).map(({ id, label }) => [id, label]);
}
