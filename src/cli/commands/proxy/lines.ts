import type { GatewayState } from "../../../daemon/state.ts";
import type { Cli } from "../../frame/command.ts";

/** Model names that are safe in a line that a person pastes into a shell. */
const plainModel = /^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/;

/** @returns the lines that point agents at a gateway, ready to paste into a shell; they hold the gateway's key */
export function linesToUse({ output }: Cli, { url, key, ...state }: GatewayState): string[] {
  const model = plainModel.test(state.model) ? state.model : "MODEL";
  const openCode = {
    provider: {
      codemie: {
        npm: "@ai-sdk/openai-compatible",
        options: { baseURL: `${url}/v1`, apiKey: key },
        models: { [model]: {} },
      },
    },
  };
  const codex = `{name="CodeMie",base_url="${url}/v1",env_key="CODEMIE_GATEWAY_KEY",wire_api="responses"}`;
  const lines: [string, string][] = [
    ["Claude Code", `ANTHROPIC_BASE_URL=${url} ANTHROPIC_AUTH_TOKEN=${key} claude`],
    ["OpenCode", `OPENCODE_CONFIG_CONTENT='${JSON.stringify(openCode)}' opencode --model 'codemie/${model}'`],
    [
      "Codex",
      `CODEMIE_GATEWAY_KEY=${key} codex -c model_provider=codemie -c 'model_providers.codemie=${codex}' -m '${model}'`,
    ],
    ["Gemini", `GOOGLE_GEMINI_BASE_URL=${url} GEMINI_API_KEY=${key} gemini`],
    // The key is no argument of curl: other users of the machine see arguments.
    ["curl", `echo 'Authorization: Bearer ${key}' | curl -H @- ${url}/v1/models`],
  ];
  return lines.flatMap(([name, line]) => [output.paint("dim", `# ${name}`), line]);
}
