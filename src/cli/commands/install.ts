import { stores } from "../../access/stores.ts";
import { installCommand } from "../../agents/agent.ts";
import { printable } from "../../core/text.ts";
import { ask, findProgram, versionOf } from "../../platform/processes.ts";
import { environmentForOthers } from "../../profiles/environment.ts";
import { cliFailure } from "../failures.ts";
import { type Cli, command } from "../frame/command.ts";
import { allAgents } from "./agent/agents.ts";
import { commandFailure } from "./failures.ts";

/** How long npm may take, ms, and the most that we read of what it prints, bytes. */
const bounds = { patienceMs: 15 * 60_000, limit: 1024 * 1024 };

/**
 * `codemie install NAME`. Runs npm in the root folder, where no repository's `.npmrc` names a registry, and without our secrets.
 * An agent that is there stays as it is.
 */
export const install = ({ runtime, output }: Cli) =>
  command({
    meta: { name: "install", description: "Install a coding agent with npm, or say how" },
    examples: ["codemie install claude", "codemie install codex"],
    args: { name: { type: "positional", required: true, description: "claude, opencode, codex or gemini" } },
    async run({ args }) {
      const agents = await allAgents();
      const agent = agents.find(({ name }) => name === args.name);
      if (!agent) {
        const names = agents.map(({ name }) => name);
        throw cliFailure.noSuch("agent", args.name, names);
      }
      const { name, title, binary } = agent;
      const env = environmentForOthers(runtime, stores(runtime).profiles);
      const before = findProgram(binary, runtime.env);
      if (!before) {
        const npm = findProgram("npm", runtime.env);
        if (!npm) throw commandFailure.npmMissing(title, installCommand(agent));
        output.say.info(`installing ${title}: ${installCommand(agent)}`);
        const ended = await ask([npm, "install", "-g", agent.package], env, bounds);
        if (ended.ended !== "normally" || ended.code !== 0)
          throw commandFailure.npmFailed(title, installCommand(agent));
      }
      const program = before ?? findProgram(binary, runtime.env);
      if (!program) throw commandFailure.notOnPath(title, binary);
      const version = (await versionOf(program, env)) ?? null;
      output.result({ name, path: program, version, installed: !before }, () => [
        `${output.paint("good", "✓")} ${title} ${before ? "is there" : "is installed"}: ${program} (${printable(version ?? "version unknown", 60)})`,
        before ? `  ${installCommand(agent)} installs it anew` : `  codemie-${name} runs it behind the gateway`,
      ]);
    },
  });
