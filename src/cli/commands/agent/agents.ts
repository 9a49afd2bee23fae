import type { Agent } from "../../../agents/agent.ts";

/**
 * The agents this program runs: for another one, a file in `src/agents` and a line here. They take their own arguments, so
 * `run` dispatches them before the tree.
 */
export const agentLoaders = {
  claude: async (): Promise<Agent> => (await import("../../../agents/claude.ts")).claude,
  opencode: async (): Promise<Agent> => (await import("../../../agents/opencode.ts")).opencode,
  codex: async (): Promise<Agent> => (await import("../../../agents/codex.ts")).codex,
  gemini: async (): Promise<Agent> => (await import("../../../agents/gemini.ts")).gemini,
} as const;

/** @returns all agents */
export const allAgents = (): Promise<Agent[]> => Promise.all(Object.values(agentLoaders).map((load) => load()));

/** Descriptions of the programs that are dispatched before the tree: the agents and the bridge. */
export const programSummaries: Readonly<Record<keyof typeof agentLoaders | "mcp-proxy", string>> = {
  claude: "Run Claude Code behind the gateway (same as codemie-claude)",
  opencode: "Run OpenCode behind the gateway (same as codemie-opencode)",
  codex: "Run Codex behind the gateway (same as codemie-codex)",
  gemini: "Run Gemini CLI behind the gateway (same as codemie-gemini)",
  "mcp-proxy": "Connect a client to a remote MCP server (same as codemie-mcp-proxy)",
};

/** The names that this program answers to besides its own; each is a link to it. */
export const linkNames: readonly string[] = Object.keys(programSummaries).map((name) => `codemie-${name}`);
