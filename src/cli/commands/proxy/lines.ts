import type { Agent } from "../../../agents/agent.ts";
import type { GatewayState } from "../../../daemon/state.ts";
import type { Cli } from "../../frame/command.ts";

/** Model names that are safe in a line that a person pastes into a shell. */
const plainModel = /^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/;

/** @returns the lines that point agents at a gateway, ready to paste into a shell; they hold the gateway's key */
export function linesToUse({ output }: Cli, agents: readonly Agent[], { url, key, ...state }: GatewayState): string[] {
  const model = plainModel.test(state.model) ? state.model : "MODEL";
  const lines = [
    ...agents.map((agent) => [agent.title, agent.lineFor({ url, key, model })] as const),
    // The key is no argument of curl: other users of the machine see arguments.
    ["curl", `echo 'Authorization: Bearer ${key}' | curl -H @- ${url}/v1/models`] as const,
  ];
  return lines.flatMap(([name, line]) => [output.paint("dim", `# ${name}`), line]);
}
