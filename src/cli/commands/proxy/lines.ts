import type { RunningGateway } from "../../../agents/agent.ts";
import type { GatewayState } from "../../../daemon/state.ts";
import { findProgram } from "../../../platform/processes.ts";
import type { Cli } from "../../frame/command.ts";
import type { KnownProgram } from "./programs.ts";

/** Model names that are safe in a line that a person pastes into a shell. */
const plainModel = /^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/;

/** @returns the gateway, with a model's name that is safe in a shell */
export const gatewayOf = ({ url, key, model }: GatewayState): RunningGateway => ({
  url,
  key,
  model: plainModel.test(model) ? model : "MODEL",
});

/** @returns a text as one word of a POSIX shell, within quotes where it needs them */
export const quoted = (text: string): string =>
  /^[\w.:@/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** @returns the line that starts a program on the gateway of a profile; no key is in it */
export function evalLine(program: KnownProgram, state: GatewayState): string | undefined {
  const start = program.onGateway(gatewayOf(state));
  if (!start) return undefined;
  const profile = state.profile === "default" ? "" : ` --profile ${quoted(state.profile)}`;
  const set = `eval "$(codemie proxy env${program.name ? ` ${program.name}` : ""}${profile})"`;
  return start.line === "" ? set : `${set} && ${start.line}`;
}

/** @returns a line for each program that is on PATH, ready to paste into a shell; none holds a key */
export function linesToUse({ output, runtime }: Cli, known: readonly KnownProgram[], state: GatewayState): string[] {
  const isHere = ({ binary }: KnownProgram) => binary === undefined || findProgram(binary, runtime.env) !== undefined;
  const lines = known.filter(isHere).flatMap((program) => {
    const line = evalLine(program, state);
    return line === undefined ? [] : [output.paint("dim", `# ${program.title}`), line];
  });
  const names = known.filter((program) => !isHere(program) && evalLine(program, state)).map(({ name }) => name);
  return names.length === 0
    ? lines
    : [...lines, output.paint("dim", `# codemie proxy env NAME knows ${names.join(", ")} too`)];
}

/** @returns lines for the agents and curl with the gateway's key in them, for a shell that cannot ask for it */
export function linesWithKey({ output }: Cli, known: readonly KnownProgram[], state: GatewayState): string[] {
  return known.flatMap(({ title, onGateway, isEditor }) => {
    const start = isEditor ? undefined : onGateway(gatewayOf(state));
    if (!start) return [];
    const set = Object.entries(start.env).map(([name, value]) => `${name}=${quoted(value)}`);
    // A pipe's first program would get them alone, and the shell reads them before they are set.
    const line = start.line.includes("$")
      ? `(export ${set.join(" ")}; ${start.line})`
      : `${set.join(" ")} ${start.line}`;
    return [output.paint("dim", `# ${title}`), line];
  });
}
