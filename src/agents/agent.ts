import type { Model } from "../api/schemas.ts";
import type { Env, ForeignEnv } from "../core/env.ts";
import type { Secret } from "../core/secret.ts";
import { isTerminal } from "../platform/is-terminal.ts";
import type { Program } from "../platform/processes.ts";
import type { ModelApi } from "../profiles/providers.ts";
import type { Effort } from "./effort.ts";

/** Everything that an agent is started with. */
export interface AgentRun {
  /** base URL of the gateway */
  readonly gatewayUrl: string;
  readonly gatewayKey: Secret;
  /** model ids by role; without one, the agent chooses */
  readonly models: AgentModels;
  /** the account's models, for agents that let a person change the model in mid-run */
  readonly available: readonly Model[];
  /** a prompt to run without interaction, before exiting */
  readonly task: string | undefined;
  /** one of the agent's own levels */
  readonly reasoningEffort: Effort | undefined;
  /** the session to continue; an empty text lets the agent ask which one */
  readonly resume: string | undefined;
  /** the person says that the folder's own settings, hooks and servers may take part */
  readonly trustsFolder: boolean;
  /** the folder it works in */
  readonly cwd: string;
  /** false: the host refuses betas of the model API */
  readonly betas: boolean;
  /** false: its output goes to no terminal, and nobody can be asked */
  readonly isWatched: boolean;
  /** the agent's own arguments, in order */
  readonly args: readonly string[];
  /** the agent's program */
  readonly program: Program;
  /** what a person types to start it again with the same profile and host, for a shell */
  readonly again: string;
  /** base folder of all our files */
  readonly home: string;
  /** a private folder that lasts as long as the run */
  readonly folder: string;
  /** the user's environment */
  readonly env: Env;
  /** what {@link AgentSessions.layOut} returned, and the run that sessions are reported for; undefined: they are not tracked */
  readonly tracking?: { readonly plugin: string; readonly run: string } | undefined;
}

/** The models that an agent uses. */
export interface AgentModels {
  /** as the agent is told it, which may be a name of the agent's own */
  readonly main: string | undefined;
  /** the model that `main` stands for */
  readonly id: string | undefined;
  /** the tier that `main` names, when the account has no model of it and `id` takes its place */
  readonly absent?: string;
  /** cheaper or larger models the agent may switch to, by the agent's own tier names */
  readonly tiers: Readonly<Record<string, string>>;
}

/** The arguments and the environment of the agent's process. */
export interface AgentStart {
  readonly args: readonly string[];
  readonly env: ForeignEnv;
  /** the folder it starts in; default: that of the run */
  readonly cwd?: string;
  /** something that the person should know */
  readonly note?: string | undefined;
  /** @returns what the person should know once the agent has ended with this exit code; undefined for nothing */
  readonly lastNote?: ((code: number) => string | undefined) | undefined;
}

/**
 * The way to find one coding agent, point it at the gateway and start it. A new agent is a new file with one of these.
 */
export interface Agent {
  /** as in `codemie-<name>` */
  readonly name: string;
  readonly title: string;
  /** the model API it calls */
  readonly speaks: ModelApi;
  /** program on PATH */
  readonly binary: string;
  /** its name at npm */
  readonly package: string;
  /** the versions that this file describes: from the first, and below the second where there is one */
  readonly versions: readonly [from: string, below?: string];
  /** the levels of reasoning effort that it knows, the least first; none when it has no such setting */
  readonly efforts: readonly Effort[];
  /** what its own command line has */
  readonly own: OwnArguments;
  /**
   * Chooses among the account's models. Takes the wished one unchanged, since the upstream accepts aliases.
   *
   * @throws usage error when the agent cannot speak to the wished model, or to any of the account's
   */
  chooseModels(available: readonly Model[], wished: string | undefined, tiers: Tiers): AgentModels;
  /** absent where the agent's sessions cannot be tracked */
  readonly sessions?: AgentSessions;
  /** prepares the agent's process, and starts nothing yet */
  start(run: AgentRun): Promise<AgentStart>;
  /**
   * @param gateway one that runs on its own
   * @returns what starts the agent on it; undefined when no variables and arguments lead it there
   */
  onGateway(gateway: RunningGateway): GatewayStart | undefined;
}

/** How an agent's sessions are tracked. */
export interface AgentSessions {
  /**
   * Lays out, under the base folder, what calls our hook, where that is a plugin.
   *
   * @param cwd the folder the agent works in
   * @returns what {@link Agent.start} needs to name it: the path of a plugin, or what its settings say to call the hook; undefined
   *   where it would hold up this run, or take the place of something of the person's
   * @throws when it cannot be written
   */
  layOut(home: string, cwd: string, env: Env): Promise<string | undefined>;
  /** Removes plugins of other versions. @throws when the folder is not ours, or cannot be changed */
  removeOld?(home: string): Promise<void>;
  /** @returns what the agent is set up with, as attributes of the metric of a session's start; absent where we do not look */
  inventory?(cwd: string, env: Env): Promise<Readonly<Record<string, unknown>>>;
  /** true: other users of the machine can read the conversation in what the agent tells us, so it is tracked only where that is `on` */
  readonly showsWords?: boolean;
  /** true: the agent does not wait for our hook, so that the last one may come after its end */
  readonly endsBeforeHook?: boolean;
}

/** A gateway that runs on its own. */
export interface RunningGateway {
  readonly url: string;
  readonly key: string;
  /** safe in a shell */
  readonly model: string;
}

/** How a person starts a program on a gateway that runs on its own. */
export interface GatewayStart {
  /** its variables; the key is in these alone */
  readonly env: Readonly<Record<string, string>>;
  /** what a person types once they are set */
  readonly line: string;
}

/**
 * The last line of most agents names their own command, which would go on with the session without the gateway.
 *
 * @param isInteractive true: a person was there to work with it
 * @returns as {@link AgentStart.lastNote}: the command of ours, at a terminal, unless the agent failed
 */
export function naming({ again, isWatched }: AgentRun, isInteractive: boolean) {
  const isSeen = isInteractive && isWatched && isTerminal("stderr");
  return (code: number): string | undefined =>
    isSeen && code === 0 ? `to go on with the session later: ${again} --resume` : undefined;
}

/** @returns the command that installs an agent */
export const installCommand = (agent: Pick<Agent, "package">): string => `npm install -g ${agent.package}`;

/**
 * How many of the arguments behind it a flag takes: nothing, the next one whatever it looks like, the next one unless that is
 * a flag, or as `one` and all words that follow.
 */
export type Takes = "none" | "one" | "optional" | "many";

/** The command line of an agent, so far as ours has to know it. */
export interface OwnArguments {
  /** what follows a short flag of ours where the agent means something else with it: then it is asked which is meant */
  readonly unclear?: { readonly flag: "-s"; readonly value: RegExp; readonly instead: string };
  /** words that make a command of their own, such as `mcp`, and start no run */
  readonly subcommands: ReadonlySet<string>;
  readonly flags: ReadonlyMap<string, Takes>;
}

/** @returns entries of {@link OwnArguments.flags} for flags that all take the same, given as words */
export const flags = (how: Takes, words: string): [string, Takes][] => words.split(/\s+/).map((flag) => [flag, how]);

/** A part of an agent's own command line. */
export interface Part {
  readonly at: number;
  readonly text: string;
  /** the value of the flag before it, whatever it looks like, is none of the others */
  readonly kind: "flag" | "value" | "word";
}

/** @returns the parts of an agent's arguments, up to a `--`; a flag that is not known takes no value */
export function partsOf(args: readonly string[], own: OwnArguments): Part[] {
  const parts: Part[] = [];
  let open: Takes = "none";
  for (const [at, text] of args.entries()) {
    if (text === "--") break;
    const isValue = open === "one" || ((open === "many" || open === "optional") && !text.startsWith("-"));
    if (isValue) {
      parts.push({ at, text, kind: "value" });
      if (open !== "many") open = "none";
      continue;
    }
    const isFlag = text.startsWith("-");
    parts.push({ at, text, kind: isFlag ? "flag" : "word" });
    open = isFlag && !text.includes("=") ? (own.flags.get(text) ?? "none") : "none";
  }
  return parts;
}

/** The tier models that a profile names. */
export type Tiers = Readonly<Record<string, string | undefined>>;
