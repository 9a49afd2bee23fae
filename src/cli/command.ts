import type { ArgsDef, CommandDef } from "citty";
import type { Runtime } from "../platform/runtime.ts";
import { ProfileStore } from "../profiles/store.ts";
import { vaultFiles } from "../vault/key.ts";
import { Vault } from "../vault/vault.ts";
import type { Output } from "./output.ts";

/** What every command is given. */
export interface Cli {
  readonly runtime: Runtime;
  readonly output: Output;
  /** what stood after `--`, for commands that take it */
  readonly rest: readonly string[];
}

/** A command of the tree: citty's definition, with the examples its help shows. */
// biome-ignore lint/suspicious/noExplicitAny: citty's own type for "any arguments"
export type Command = CommandDef<any> & {
  examples?: readonly string[];
  takesRest?: boolean;
  subCommands?: Record<string, Loader>;
};

/** Loads a command when it is called for, so that no command pays for another's imports. */
export type Loader = () => Promise<(cli: Cli) => Command>;

/** @returns a command with its argument types kept */
export function command<A extends ArgsDef>(
  definition: Omit<CommandDef<A>, "subCommands"> & { examples?: readonly string[]; takesRest?: boolean },
): Command {
  return definition as Command;
}

/** Flags of every command. */
export const commonArgs = {
  json: { type: "boolean", description: "print the result, or the error, as one JSON document" },
  color: { type: "boolean", default: true, negativeDescription: "print without colour" },
  help: { type: "boolean", alias: "h", description: "show this help" },
} as const satisfies ArgsDef;

/** @returns the vault and the configuration under the base folder */
export function stores(runtime: Runtime): { vault: Vault; profiles: ProfileStore } {
  return {
    vault: new Vault(vaultFiles(runtime.home, runtime.env), runtime.now),
    profiles: new ProfileStore(runtime.home),
  };
}
