import type { Model } from "../api/schemas.ts";
import type { AgentModels } from "./agent.ts";
import { agentFailure } from "./failures.ts";

/** Whose models they are, by their names. A host may put a path before a name, as in `azure/gpt-5.2`. */
const makers = {
  Claude: /claude/i,
  GPT: /(?:^|\/)(?:gpt|chatgpt|codex|o\d)/i,
  Gemini: /gemini|gemma/i,
} as const;
export type Maker = keyof typeof makers;

/** Claude Code's own names for the models that an account has: no other agent knows them. */
const claudeTiers = /^(?:haiku|sonnet|opus|best|opusplan|default)(?:\[1m\])?$/i;

/** @returns whose model it is, as far as its name tells */
export const makerOf = (id: string): Maker | undefined =>
  (Object.keys(makers) as Maker[]).find((maker) => makers[maker].test(id));

/**
 * Chooses for an agent that speaks to some makers' models only: the wished one, else the account's default where it fits, else
 * the first that does.
 *
 * @param title the agent's name
 * @param fits true for a model that the agent can speak to
 * @throws usage error when it cannot speak to the wished model or to any of the account's, or when no model is known
 */
export function chooseFitting(
  title: string,
  available: readonly Model[],
  wished: string | undefined,
  fits: (id: string) => boolean,
): AgentModels {
  const fitting = available.filter(({ id }) => fits(id));
  if (wished !== undefined) {
    const isTier = claudeTiers.test(wished) && !available.some(({ id }) => id === wished);
    if (isTier || !fits(wished)) throw agentFailure.modelUnfit(title, wished, idsOf(fitting));
    return { main: wished, id: wished, tiers: {} };
  }
  const chosen = (fitting.find((model) => model.default) ?? fitting[0])?.id;
  if (chosen === undefined) throw agentFailure.noModelFits(title, idsOf(available));
  return { main: chosen, id: chosen, tiers: {} };
}

const idsOf = (models: readonly Model[]) => models.map(({ id }) => id);
