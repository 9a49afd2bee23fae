/** The agents this program runs. They take their own arguments, so `run` dispatches them before the tree. */
export const agentLoaders = {
  claude: async () => (await import("../../../agents/claude.ts")).claude,
} as const;

/** Descriptions of the programs that are dispatched before the tree: the agents and the bridge. */
export const programSummaries: Readonly<Record<keyof typeof agentLoaders | "mcp-proxy", string>> = {
  claude: "Run Claude Code behind the gateway (same as codemie-claude)",
  "mcp-proxy": "Connect a client to a remote MCP server (same as codemie-mcp-proxy)",
};
