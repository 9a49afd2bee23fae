import type { Model } from "../api/schemas.ts";
import type { Env, ForeignEnv } from "../core/env.ts";
import type { Secret } from "../core/secret.ts";

/** What an agent is started with. */
export interface AgentRun {
  /** base URL of the gateway */
  readonly gatewayUrl: string;
  readonly gatewayKey: Secret;
  /** model ids by role; an empty model leaves the choice to the agent */
  readonly models: AgentModels;
  /** run this without interaction and exit */
  readonly task: string | undefined;
  readonly reasoningEffort: string | undefined;
  /** session to go on with; an empty text lets the agent ask which */
  readonly resume: string | undefined;
  /** the agent's own arguments, in order */
  readonly args: readonly string[];
  /** a private folder that lasts as long as the run */
  readonly folder: string;
  /** the user's environment */
  readonly env: Env;
}

export interface AgentModels {
  readonly main: string | undefined;
  /** cheaper or larger models the agent may switch to, by the agent's own tier names */
  readonly tiers: Readonly<Record<string, string>>;
}

/** What to start. */
export interface AgentStart {
  readonly args: readonly string[];
  readonly env: ForeignEnv;
}

/** How one coding agent is found, pointed at the gateway and started. A new agent is a new file with one of these. */
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
  /** chooses among the account's models; the wished one is taken as it is, since upstream knows aliases */
  chooseModels(available: readonly Model[], wished: string | undefined, tiers: Tiers): AgentModels;
  start(run: AgentRun): Promise<AgentStart>;
}

/** Tier models a profile names. */
export type Tiers = Readonly<Record<string, string | undefined>>;
