import { dirname } from "node:path";
import { withoutOwnSecrets } from "../../../core/env.ts";
import { version } from "../../../core/version.ts";
import { ProxyStates } from "../../../daemon/state.ts";
import { ask, type Program } from "../../../platform/processes.ts";
import { stateOfName } from "../../../platform/program-file.ts";
import { untilStopped } from "../../../platform/signals.ts";
import { installedProgram, rollBack, type Updated, update } from "../../../update/update.ts";
import { type Cli, command } from "../../frame/command.ts";
import { namesOf } from "./link.ts";

/** How long the new program may take to make its names, ms, and the most that it may print, bytes. */
const linkBounds = { patienceMs: 60_000, limit: 65_536, isQuiet: true };

/** `codemie self update`: the latest release in this program's place, or the one before back in it. */
export const selfUpdate = (cli: Cli) =>
  command({
    meta: { name: "update", description: "Replace this program by the latest release, once its signature is checked" },
    examples: ["codemie self update", "codemie self update --rollback"],
    args: {
      rollback: { type: "boolean", description: "go back to the version that the last update replaced" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const program = await installedProgram("update");
      const { version: now, isChanged } = args.rollback
        ? await rollBack(runtime.env, program)
        : await updated(cli, program);
      if (isChanged) await renewNames(cli, program);
      const running = isChanged ? await new ProxyStates(runtime.home).all().catch(() => []) : [];
      const gateways = running.map(({ profile, pid }) => ({ profile, pid }));
      output.result({ version: now, before: version, changed: isChanged, program, gateways }, () => {
        const good = output.paint("good", "✓");
        if (!isChanged) return [`${good} ${version} is the latest`];
        return [
          `${good} codemie ${now} is in ${dirname(program)}, in place of ${version}`,
          `  codemie self update --rollback ${args.rollback ? "exchanges them again" : "goes back"}`,
        ];
      });
      for (const { profile, pid } of gateways) {
        output.say.warn(
          `the gateway of profile ${profile} (process ${pid}) goes on with the version that it was started with: codemie proxy stop ends it`,
        );
      }
    },
  });

async function updated({ runtime, output }: Cli, program: string): Promise<Updated> {
  const announce = (latest: string) => output.say.info(`downloading codemie ${latest}, to replace ${version}`);
  return await output.during("looking for a newer version", () =>
    untilStopped((stop) => update(runtime, program, announce, stop)),
  );
}

/** The new version may have a name that this one does not know. Where there are no names, there shall be none. */
async function renewNames({ runtime, output }: Cli, program: string): Promise<void> {
  const states = await Promise.all(namesOf(program).map((name) => stateOfName(program, name).catch(() => "none")));
  if (!states.includes("ours")) return;
  const linked = await ask([program as Program, "self", "link"], withoutOwnSecrets(runtime.env), linkBounds);
  if (linked.ended !== "normally" || linked.code !== 0)
    output.say.warn("its other names stay as they were: see codemie self link");
}
