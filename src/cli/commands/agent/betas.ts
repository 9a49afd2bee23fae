import { betasFor, rememberRefusal } from "../../../access/betas.ts";
import type { Agent } from "../../../agents/agent.ts";
import { printable } from "../../../core/text.ts";
import type { Resolved } from "../../../profiles/resolve.ts";
import type { Cli } from "../../frame/command.ts";

/** Whether one run of an agent asks the host for betas, and what comes of it. */
export interface BetasOfRun {
  readonly on: boolean;
  /** keeps what the host refuses; undefined where nothing is to be kept */
  readonly refused: ((betas: readonly string[]) => Promise<void>) | undefined;
  /** tells the person what the host refused, once the screen is ours again */
  tell(): void;
}

/** @returns how long a list of betas may be on a terminal, as words */
const words = (betas: readonly string[]) => printable(betas.join(", "), 200);

/**
 * Decides on the betas of a run. When the host refuses one, the agent sees that answer: Claude Code leaves out what Anthropic's own
 * words refuse, and goes on. The runs to come do not ask for any.
 *
 * @param isSilent no notes
 * @throws `vault_unreadable` when the file that remembers refusals is not ours
 */
export function betasOfRun({ runtime, output }: Cli, agent: Agent, resolved: Resolved, isSilent: boolean): BetasOfRun {
  const host = resolved.host.value;
  const idle = { refused: undefined, tell: () => undefined };
  if (agent.speaks !== "anthropic") return { on: true, ...idle };
  const { on, refused: before } = betasFor(runtime.home, host, resolved.profile);
  if (before && !isSilent)
    output.say.info(
      `${agent.title} runs without betas, since ${host.origin} refused ${words(before.betas)} (codemie config set betas on to try again)`,
    );
  if (!on || resolved.profile.betas === "on") return { on, ...idle };
  const seen = new Set<string>();
  return {
    on,
    async refused(betas) {
      for (const beta of betas) seen.add(beta);
      await rememberRefusal(runtime.home, host, { betas: [...seen].slice(0, 20), at: runtime.now() });
    },
    tell() {
      if (seen.size === 0 || isSilent) return;
      output.say.warn(
        `${host.origin} refused ${words([...seen])}: from now on ${agent.title} runs there without betas; if it stopped, start it again`,
      );
    },
  };
}
