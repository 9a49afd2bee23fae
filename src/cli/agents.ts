/** The agents this program runs. They take their own arguments, so they are dispatched before the tree. */
export const agentLoaders = {
  claude: async () => (await import("../agents/claude.ts")).claude,
} as const;

export const agentSummaries: Readonly<Record<keyof typeof agentLoaders, string>> = {
  claude: "Run Claude Code behind the gateway (same as codemie-claude)",
};
