import type { Model } from "../api/schemas.ts";
import type { Env, ForeignEnv } from "../core/env.ts";
import type { Secret } from "../core/secret.ts";

/** Everything that an agent is started with. */
export interface AgentRun {
  /** base URL of the gateway */
  readonly gatewayUrl: string;
  readonly gatewayKey: Secret;
  /** model ids by role; without one, the agent chooses */
  readonly models: AgentModels;
  /** a prompt to run without interaction, before exiting */
  readonly task: string | undefined;
  readonly reasoningEffort: string | undefined;
  /** the session to continue; an empty text lets the agent ask which one */
  readonly resume: string | undefined;
  /** the agent's own arguments, in order */
  readonly args: readonly string[];
  /** a private folder that lasts as long as the run */
  readonly folder: string;
  /** the user's environment */
  readonly env: Env;
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
}

/**
 * The way to find one coding agent, point it at the gateway and start it. A new agent is a new file with one of these.
 */
export interface Agent {
  /** as in `codemie-<name>` */
  readonly name: string;
  readonly title: string;
  /** the model API it calls */
  readonly speaks: "anthropic" | "openai";
  /** program on PATH */
  readonly binary: string;
  /** command that installs it */
  readonly install: string;
  /** what its own command line has */
  readonly own: OwnArguments;
  /** chooses among the account's models; takes the wished one unchanged, since the upstream accepts aliases */
  chooseModels(available: readonly Model[], wished: string | undefined, tiers: Tiers): AgentModels;
  /** prepares the agent's process, and starts nothing yet */
  start(run: AgentRun): Promise<AgentStart>;
}

/**
 * How many of the arguments behind it a flag takes: nothing, the next one whatever it looks like, the next one unless that is
 * a flag, or as `one` and all words that follow.
 */
export type Takes = "none" | "one" | "optional" | "many";

/** The command line of an agent, so far as ours has to know it. */
export interface OwnArguments {
  /** words that make a command of their own, such as `mcp`, and start no run */
  readonly subcommands: ReadonlySet<string>;
  readonly flags: ReadonlyMap<string, Takes>;
}

/** The tier models that a profile names. */
export type Tiers = Readonly<Record<string, string | undefined>>;
