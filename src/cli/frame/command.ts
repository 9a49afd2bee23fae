import type { ArgsDef, CommandDef, CommandMeta } from "citty";
import type { Context } from "../../access/context.ts";
import type { Output } from "./output.ts";

/** The context of every command. */
export interface Cli extends Context {
  readonly output: Output;
  /** the arguments after `--`, for commands that take them */
  readonly rest: readonly string[];
}

/** A command of the tree: citty's definition, with the examples its help shows. */
// biome-ignore lint/suspicious/noExplicitAny: citty's own type for "any arguments"
export type Command = CommandDef<any> & {
  examples?: readonly string[];
  /** true: it takes arguments after `--` */
  takesRest?: boolean;
  /** called when its command line is refused or its run fails, before the error is told */
  failing?: () => void;
  subCommands?: Record<string, Loader>;
  /** other names of its subcommands, which its help does not list */
  aliases?: Readonly<Record<string, string>>;
};

/** Loads a command on demand, so that no command pays for another's imports. */
export type Loader = () => Promise<(cli: Cli) => Command>;

/** @returns the names and descriptions of the subcommands that people type; those with `hidden` in their `meta` are left out */
export async function shownCommands(cli: Cli, { subCommands = {} }: Command): Promise<[name: string, about: string][]> {
  const found: [string, string][] = [];
  for (const [name, load] of Object.entries(subCommands)) {
    const { description = "", hidden } = (await load())(cli).meta as CommandMeta;
    if (!hidden) found.push([name, description]);
  }
  return found;
}

/** Defines a command whose `run` sees the types of its flags. @returns the definition, unchanged */
export function command<A extends ArgsDef>(
  definition: Omit<CommandDef<A>, "subCommands"> & Pick<Command, "examples" | "takesRest" | "failing">,
): Command {
  return definition as Command;
}

/** Flags of every command. */
export const commonArgs = {
  json: { type: "boolean", description: "print the result, or the error, as one JSON document" },
  color: { type: "boolean", default: true, negativeDescription: "print without colour" },
  help: { type: "boolean", alias: "h", description: "show this help" },
} as const satisfies ArgsDef;
