import { daemonFailure } from "../../../daemon/failures.ts";
import { countsOf, type GatewayState, ProxyStates } from "../../../daemon/state.ts";
import { tell } from "../../../platform/processes.ts";
import { type Cli, command } from "../../frame/command.ts";

/** How long a gateway may take to end beyond the time its streams get, ms. */
const graceMs = 3_000;

/** `codemie proxy stop`. It returns once the gateways have ended. */
export const proxyStop = (cli: Cli) =>
  command({
    meta: { name: "stop", description: "Stop a gateway that runs on its own" },
    examples: ["codemie proxy stop", "codemie proxy stop --profile work", "codemie proxy stop --all"],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "the gateway of this profile" },
      all: { type: "boolean", description: "all gateways" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const states = new ProxyStates(runtime.home);
      const running = await states.all();
      const found = args.profile === undefined ? running : running.filter((one) => one.profile === args.profile);
      if (found.length === 0) throw daemonFailure.notRunning(args.profile);
      if (found.length > 1 && !args.all)
        throw daemonFailure.which(
          found.map(({ profile }) => profile),
          true,
        );
      await output.during("waiting for running requests to end", () =>
        Promise.all(found.map((one) => stop(cli, states, one))),
      );
      output.result(
        found.map(({ profile, pid }) => ({ profile, pid, stopped: true })),
        () => found.map(({ profile }) => `${output.paint("good", "✓")} the gateway of profile ${profile} has ended`),
      );
    },
  });

/**
 * Sends SIGTERM, and again when the gateway's own time to end is over; its free lock shows that it has ended. In a home
 * that containers share, the process number may be another process's here: a gateway that does not answer to its key
 * gets no signal, only the wait.
 *
 * @throws `failed` when it does not end
 */
async function stop({ runtime }: Cli, states: ProxyStates, state: GatewayState): Promise<void> {
  const { profile, pid, url, drainSeconds } = state;
  const isHere = (await countsOf(runtime, state)) !== undefined;
  for (const patienceMs of [drainSeconds * 1000 + graceMs, graceMs]) {
    if (isHere) tell(pid, "SIGTERM");
    if (await states.ended(profile, patienceMs)) return;
    if (!isHere) throw daemonFailure.silent(url, pid);
  }
  throw daemonFailure.stays(pid);
}
