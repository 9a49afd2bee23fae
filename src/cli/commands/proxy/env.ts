import { Secret } from "../../../core/secret.ts";
import { daemonFailure } from "../../../daemon/failures.ts";
import { ProxyStates } from "../../../daemon/state.ts";
import { isTerminal } from "../../../platform/is-terminal.ts";
import { cliFailure } from "../../failures.ts";
import { type Cli, command } from "../../frame/command.ts";
import { evalLine, gatewayOf, quoted } from "./lines.ts";
import { anyProgram, type KnownProgram, knownPrograms, usablePrograms } from "./programs.ts";

/**
 * `codemie proxy env`. A shell evaluates what it prints, so that the gateway's key is neither on the screen nor in the history.
 * On a terminal it prints how to do that instead. When it fails, a shell gets `false`: else it would go on to start a program
 * that leads somewhere else.
 */
export const proxyEnv = (cli: Cli) => {
  const { runtime, output } = cli;
  const isShown = isTerminal("stdout") && !output.json;
  return command({
    meta: { name: "env", description: "Print what points a program at a running gateway, for a shell to evaluate" },
    examples: ['eval "$(codemie proxy env claude)" && claude', 'eval "$(codemie proxy env)"', "codemie proxy env zed"],
    args: {
      name: {
        type: "positional",
        required: false,
        description: "claude, opencode, codex, aider, zed, vscode, cursor, cline or curl (default: any program)",
      },
      profile: { type: "string", valueHint: "NAME", description: "the gateway of this profile" },
    },
    failing() {
      if (!isShown && !output.json) runtime.terminal.out("false\n");
    },
    async run({ args }) {
      const program = await programOf(args.name);
      const state = await new ProxyStates(runtime.home).oneRunning(args.profile);
      const gateway = gatewayOf(state);
      if (!isShown) runtime.terminal.mask(new Secret(state.key));
      const env = program.onGateway(gateway)?.env ?? {};
      output.result(
        env,
        () =>
          isShown
            ? [
                output.paint("dim", `# ${program.title}`),
                evalLine(program, state) ?? "",
                ...(program.hints?.(gateway) ?? []).map((hint) => output.paint("dim", `# ${hint}`)),
              ]
            : Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`),
        true,
      );
    },
  });
};

async function programOf(name: string | undefined): Promise<KnownProgram> {
  if (name === undefined) return anyProgram;
  const usable = await usablePrograms();
  const found = usable.find((one) => one.name === name);
  if (found) return found;
  const other = (await knownPrograms()).find((one) => one.name === name);
  if (other) throw daemonFailure.onlyByUs(other.title, `codemie-${name}`);
  const names = usable.map((one) => one.name);
  throw cliFailure.noSuch("program", name, names);
}
