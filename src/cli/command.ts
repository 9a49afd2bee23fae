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
}

/** A command of the tree: citty's definition, with the examples its help shows. */
// biome-ignore lint/suspicious/noExplicitAny: citty's own type for "any arguments"
export type Command = CommandDef<any> & {
  examples?: readonly string[];
  subCommands?: Record<string, Loader>;
  /** other names of its commands, which its help does not list */
  aliases?: Readonly<Record<string, string>>;
};

/** Loads a command when it is called for, so that no command pays for another's imports. */
export type Loader = () => Promise<(cli: Cli) => Command>;

/** @returns a command with its argument types kept */
export function command<A extends ArgsDef>(
  definition: Omit<CommandDef<A>, "subCommands"> & { examples?: readonly string[] },
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
  const vault = new Vault(vaultFiles(runtime.home, runtime.env), runtime.now);
  const profiles = new ProfileStore(runtime.home, async (secrets) => {
    const { keepSecrets } = await import("./keep-secrets.ts");
    await keepSecrets(runtime, vault, secrets);
  });
  return { vault, profiles };
}
