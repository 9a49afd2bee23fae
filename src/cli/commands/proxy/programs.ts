import type { GatewayStart, RunningGateway } from "../../../agents/agent.ts";
import { allAgents } from "../agent/agents.ts";

/** A program that can be pointed at a gateway which runs on its own. */
export interface KnownProgram {
  /** as in `codemie proxy env NAME` */
  readonly name: string;
  readonly title: string;
  /** program on PATH; undefined for one that is everywhere */
  readonly binary: string | undefined;
  /** true: its variables do not fit in a line beside it */
  readonly isEditor?: true;
  /** as an agent's `onGateway` */
  onGateway(gateway: RunningGateway): GatewayStart | undefined;
  /** what else it needs, which no variable can say; it holds no key */
  hints?(gateway: Pick<RunningGateway, "url" | "model">): string[];
}

/** Variables for programs that take any server of one of the two APIs. */
const usualEnv = ({ url, key }: RunningGateway) => ({
  CODEMIE_GATEWAY_URL: url,
  CODEMIE_GATEWAY_KEY: key,
  ANTHROPIC_BASE_URL: url,
  ANTHROPIC_AUTH_TOKEN: key,
  OPENAI_BASE_URL: `${url}/v1`,
  OPENAI_API_KEY: key,
});

/** Where a window asks for an address and a key. */
const byHand = (where: string, url: string) => [
  `${where}: ${url}, and the key that codemie proxy status --show-key prints`,
  "it is another key after each start of the gateway",
];

/** Editors start Claude Code's extension, and what is typed in their terminal, with the variables that they were started with. */
const editor = (name: string, title: string, binary: string, hints: KnownProgram["hints"]): KnownProgram => ({
  name,
  title,
  binary,
  isEditor: true,
  onGateway: (gateway) => ({ env: usualEnv(gateway), line: `${binary} .` }),
  ...(hints ? { hints } : {}),
});

const others: readonly KnownProgram[] = [
  {
    name: "aider",
    title: "aider",
    binary: "aider",
    isEditor: true,
    onGateway: ({ url, key, model }) => ({
      env: { OPENAI_API_BASE: `${url}/v1`, OPENAI_API_KEY: key },
      line: `aider --model openai/${model}`,
    }),
  },
  {
    name: "zed",
    title: "Zed",
    binary: "zed",
    isEditor: true,
    // Zed makes the variable's name out of the provider's.
    onGateway: (gateway) => ({ env: { ...usualEnv(gateway), CODEMIE_GATEWAY_API_KEY: gateway.key }, line: "zed ." }),
    hints: ({ url, model }) => [
      `in its settings.json: {"language_models":{"openai_compatible":{"codemie-gateway":{"api_url":"${url}/v1","available_models":[{"name":"${model}","max_tokens":200000}]}}}}`,
    ],
  },
  editor("vscode", "VS Code", "code", ({ url }) => [
    "this is for Claude Code's extension and the terminal; quit VS Code before",
    ...byHand("for its own chat, in Manage Models, Custom Endpoint", `${url}/v1/chat/completions`),
  ]),
  editor("cursor", "Cursor", "cursor", () => [
    "this is for Claude Code's extension and the terminal; quit Cursor before",
    "its own chat comes from Cursor's servers, which cannot reach this machine",
  ]),
  editor("cline", "Cline", "code", ({ url }) => byHand("in Cline's settings, OpenAI Compatible", `${url}/v1`)),
  {
    name: "curl",
    title: "curl",
    binary: undefined,
    onGateway: ({ url, key }) => ({
      env: { CODEMIE_GATEWAY_URL: url, CODEMIE_GATEWAY_KEY: key },
      // The key is no argument of curl: other users of the machine see arguments.
      line: `echo "Authorization: Bearer $CODEMIE_GATEWAY_KEY" | curl -H @- "$CODEMIE_GATEWAY_URL/v1/models"`,
    }),
  },
];

/** @returns the agents, and what else we know how to point at a gateway */
export const knownPrograms = async (): Promise<KnownProgram[]> => [...(await allAgents()), ...others];

/** @returns those that variables lead to a gateway */
export const usablePrograms = async (): Promise<KnownProgram[]> =>
  (await knownPrograms()).filter((one) => one.onGateway({ url: "", key: "", model: "" }) !== undefined);

/** The variables for a program that we do not know. */
export const anyProgram: KnownProgram = {
  name: "",
  title: "any program that speaks OpenAI's or Anthropic's API",
  binary: undefined,
  onGateway: (gateway) => ({ env: usualEnv(gateway), line: "" }),
};
