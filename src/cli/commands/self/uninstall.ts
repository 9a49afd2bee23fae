import { dirname, join } from "node:path";
import { forProfile } from "../../../access/credentials.ts";
import { endLogin } from "../../../access/end-login.ts";
import { stores } from "../../../access/stores.ts";
import { asCodemieError } from "../../../core/errors.ts";
import { ProxyStates } from "../../../daemon/state.ts";
import { removeAll, removeEmptyFolder } from "../../../platform/files.ts";
import { foreignNames } from "../../../platform/foreign-files.ts";
import { stateOf } from "../../../platform/path-state.ts";
import { findProgram } from "../../../platform/processes.ts";
import { isLinkTo, programBefore, removeProgram, stateOfBefore, stateOfName } from "../../../platform/program-file.ts";
import { stopSignal } from "../../../platform/signals.ts";
import { updateFailure } from "../../../update/failures.ts";
import { installedProgram } from "../../../update/update.ts";
import { type Cli, command } from "../../frame/command.ts";
import { linkNames } from "../agent/agents.ts";
import { commandFailure } from "../failures.ts";
import { namesOf } from "./link.ts";

/** Our files and folders in the base folder. Anything else there is not ours: a person may have chosen a folder with other things in it. */
const ours = [
  "codemie-cli.config.json",
  "vault",
  "vault.key",
  "audit",
  "logs",
  "run",
  "sessions",
  "agents",
  "claude-plugin",
  "opencode-plugin",
];
/** Files that `codemie config reset` keeps of the configuration, and that a killed process left while it replaced one. */
const leftovers =
  /^(?:codemie-cli\.config\.json\.backup-\d+|\.(?:codemie-cli\.config\.json|vault\.key)\.\d+\.[0-9a-f]+\.tmp)$/;

/** `codemie self uninstall`: removes the program and its names, and the logins only where somebody says so. */
export const selfUninstall = (cli: Cli) =>
  command({
    meta: { name: "uninstall", description: "Remove this program and its other names; asks about your logins" },
    examples: ["codemie self uninstall", "codemie self uninstall --yes --all"],
    args: {
      yes: { type: "boolean", alias: "y", description: "do not ask; logins and settings stay" },
      all: { type: "boolean", description: "remove logins, settings and audit trail too" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const program = await installedProgram("uninstall");
      const others = await otherFiles(cli, program);
      const stored: string[] = [];
      for (const name of [...ours, ...foreignNames(runtime.home).filter((one) => leftovers.test(one))]) {
        const path = join(runtime.home, name);
        if (await stateOf(path, false).catch(() => undefined)) stored.push(path);
      }
      for (const { profile, pid } of await new ProxyStates(runtime.home).all().catch(() => []))
        throw updateFailure.gatewayRuns(profile, pid);
      let isAll = Boolean(args.all);
      if (!args.yes) {
        if (!runtime.terminal.interactive) throw commandFailure.nobodyToAsk("remove codemie");
        for (const path of [program, ...others, ...(isAll ? stored : [])]) output.say.info(`  ${path}`);
        const stop = stopSignal();
        if (!(await output.confirm("remove these?", stop))) throw commandFailure.declined();
        if (!isAll && stored.length > 0) {
          for (const path of stored) output.say.info(`  ${path}`);
          isAll = await output.confirm("remove these too: your logins, settings and the audit trail?", stop);
        }
      }
      if (isAll && stored.length > 0) {
        await endLogins(cli);
        for (const path of stored) await removeAll(path);
        await removeEmptyFolder(runtime.home);
      }
      await removeProgram(program, others);
      const removed = [program, ...others, ...(isAll ? stored : [])];
      const kept = isAll || stored.length === 0 ? null : runtime.home;
      output.result({ removed, kept }, () => [
        `${output.paint("good", "✓")} removed from ${dirname(program)}: codemie, and what belongs to it`,
        ...(kept ? [`  your logins and settings stay in ${kept}`] : []),
        ...(isAll && stored.length > 0 ? [`  your logins and settings are gone from ${runtime.home}`] : []),
      ]);
    },
  });

/** The files that belong to the program: its names beside it, those on PATH, and the version before. */
async function otherFiles({ runtime }: Cli, program: string): Promise<string[]> {
  const found = new Set<string>();
  for (const name of namesOf(program)) {
    if ((await stateOfName(program, name)) === "ours") found.add(join(dirname(program), name));
  }
  for (const name of ["codemie", ...linkNames]) {
    const path = findProgram(name, runtime.env);
    if (path !== undefined && (await isLinkTo(program, path))) found.add(path);
  }
  if ((await stateOfBefore(program)) !== "none") found.add(programBefore(program));
  return [...found];
}

/** Ends the logins at their hosts, as far as vault and hosts let us: what is removed here would stay valid there. */
async function endLogins(cli: Cli): Promise<void> {
  const { vault, profiles } = stores(cli.runtime);
  try {
    for (const [name, profile] of Object.entries((await profiles.read()).profiles)) {
      const { removed, endedAtHost } = await endLogin(forProfile(cli, { name, profile }), vault, name);
      if (removed && !endedAtHost) cli.output.say.warn(`the login of profile ${name} may stay valid at its host`);
    }
  } catch (error) {
    cli.output.say.warn(`the logins could not be ended at their hosts: ${asCodemieError(error).message}`);
  }
}
