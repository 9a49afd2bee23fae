import type { ArgsDef } from "citty";
import type { CodemieError } from "../../core/errors.ts";
import { nearest } from "../../core/text.ts";
import { bridgeFlags } from "../bridge/flags.ts";
import { programSummaries } from "../commands/agent/agents.ts";
import { cliFailure } from "../failures.ts";
import { type Cli, type Command, commonArgs, shownCommands } from "./command.ts";
import { frameFailure } from "./failures.ts";
import { flagFor, hintFor } from "./other-words.ts";
import { shortcuts } from "./tree.ts";

// A file of its own: only a command line that is refused pays for it.

/**
 * @param flag as typed, without a value
 * @param known the command's arguments
 * @param path the command as typed
 * @returns the failure for a flag that the command does not have, with the one that was probably meant
 */
export function unknownFlag(flag: string, known: ArgsDef, path: string, command: Command): CodemieError {
  const named = Object.entries(known).filter(([, def]) => def.type !== "positional");
  const names = named.map(([name, def]) =>
    def.type === "boolean" && def.default === true ? `--no-${name}` : `--${name}`,
  );
  const isBridges = command.takesRest && bridgeFlags.some((name) => flag === `--${name}`);
  if (isBridges) return frameFailure.flagOfBridge(path, flag);
  return cliFailure.noFlag(path, flag, flagFor(flag, names) ?? nearest(flag, names));
}

/** @returns the words that a group of commands takes, which people type */
async function wordsOf(cli: Cli, path: string, group: Command): Promise<string[]> {
  const commands = (await shownCommands(cli, group)).map(([name]) => name);
  return path === "codemie" ? [...commands, ...Object.keys(programSummaries), ...Object.keys(shortcuts)] : commands;
}

/** @returns the failure for a word that names no command of a group, with the one that was probably meant */
export async function unknownCommand(cli: Cli, path: string, name: string, group: Command): Promise<CodemieError> {
  const close = nearest(name, await wordsOf(cli, path, group));
  return frameFailure.noCommand(path, name, close, hintFor(`${path} ${name}`));
}

/**
 * @param flag as typed
 * @param args what follows the group's name
 * @returns the failure for a group of commands that is given a flag: the flag's place is behind a command
 */
export async function flagOfGroup(cli: Cli, flag: string, args: readonly string[], path: string, group: Command) {
  const words = await wordsOf(cli, path, group);
  const meant = args.slice(args.indexOf(flag) + 1).find((arg) => words.includes(arg));
  const [name = flag] = flag.split("=");
  const own = [...Object.keys(commonArgs).map((one) => (one === "color" ? "--no-color" : `--${one}`)), "--version"];
  return meant === undefined
    ? cliFailure.noFlag(path, name, nearest(name, path === "codemie" ? [...own, "--licenses"] : own))
    : frameFailure.flagBeforeCommand(name, `${path} ${meant} ${name}`);
}

/**
 * @param most how many words the command takes
 * @returns the failure for a command line with more words
 */
export const surplusWord = (path: string, most: number): CodemieError =>
  frameFailure.tooManyWords(path, most, hintFor(`${path} FILE`));

/**
 * @param words those that were typed
 * @param about what the missing one is
 * @returns the failure for a command line that lacks a word
 */
export const missingWord = (path: string, words: readonly string[], about: string): CodemieError =>
  frameFailure.wordMissing(path, about, words.at(-1)?.includes("=") ? hintFor(`${path} KEY=VALUE`) : undefined);
