import { when } from "../../../core/text.ts";
import { daemonFailure } from "../../../daemon/failures.ts";
import { countsOf, ProxyStates } from "../../../daemon/state.ts";
import { type Cli, command } from "../../frame/command.ts";
import { linesWithKey } from "./lines.ts";
import { knownPrograms } from "./programs.ts";

/** `codemie proxy status`. It exits 1 when no gateway runs, or when one does not answer. */
export const proxyStatus = (cli: Cli) =>
  command({
    meta: { name: "status", description: "Show the gateways that run on their own" },
    examples: ["codemie proxy status", "codemie proxy status --show-key", "codemie proxy status --json"],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "only the gateway of this profile" },
      "show-key": { type: "boolean", description: "print the key, and the lines that connect agents, again" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const states = new ProxyStates(runtime.home);
      const named = args.profile === undefined ? undefined : await states.running(args.profile);
      const found = args.profile === undefined ? await states.all() : named ? [named] : [];
      if (found.length === 0 && output.json && args.profile === undefined) {
        output.result([], () => []);
        return 1;
      }
      if (found.length === 0) throw daemonFailure.notRunning(args.profile);
      const asked = await Promise.all(found.map(async (state) => ({ state, counts: await countsOf(runtime, state) })));
      const known = args["show-key"] ? await knownPrograms() : [];
      output.result(
        asked.map(({ state, counts }) => {
          const { key, relay, drainSeconds: _, model: __, ...shown } = state;
          return { ...shown, answers: counts !== undefined, ...counts, ...(args["show-key"] ? { key, relay } : {}) };
        }),
        () =>
          asked.flatMap(({ state, counts }) => [
            counts
              ? `${output.paint("good", "✓")} gateway for ${state.host} (profile ${state.profile})`
              : `${output.paint("bad", "✗")} gateway for ${state.host} (profile ${state.profile}) runs but does not answer`,
            `  url       ${state.url}`,
            `  process   ${state.pid}`,
            `  since     ${when(Date.parse(state.startedAt), runtime.now())}`,
            ...(counts ? [`  requests  ${counts.forwarded} forwarded, ${counts.denied} refused`] : []),
            ...(args["show-key"] ? linesWithKey(cli, known, state) : []),
          ]),
        true,
      );
      return asked.every(({ counts }) => counts) ? 0 : 1;
    },
  });
