import type { Command, Loader } from "./command.ts";

const group = (
  name: string,
  description: string,
  subCommands: Record<string, Loader>,
  standard?: string,
  examples: readonly string[] = [],
): Command => ({
  meta: { name, description },
  subCommands,
  examples,
  ...(standard === undefined ? {} : { default: standard }),
});

/** The command tree, as typed. */
export const tree: Command = group(
  "codemie",
  "Log in once, run coding agents behind your company's CodeMie gateway",
  {
    profile: async () => () =>
      group(
        "profile",
        "Log in and out, and see who you are",
        {
          login: async () => (await import("./profile-login.ts")).profileLogin,
          status: async () => (await import("./profile-status.ts")).profileStatus,
          refresh: async () => (await import("./profile-refresh.ts")).profileRefresh,
          logout: async () => (await import("./profile-logout.ts")).profileLogout,
          list: async () => (await import("./profile-list.ts")).profileList,
        },
        "list",
        ["codemie profile login --url https://codemie.example.com", "codemie profile status --json"],
      ),
    models: async () => () =>
      group(
        "models",
        "The models your account may use",
        { list: async () => (await import("./models-list.ts")).modelsList },
        "list",
        ["codemie models", "codemie models --json"],
      ),
    proxy: async () => () =>
      group(
        "proxy",
        "The gateway on its own, for agents you start yourself",
        {
          start: async () => (await import("./proxy-start.ts")).proxyStart,
          status: async () => (await import("./proxy-status.ts")).proxyStatus,
          stop: async () => (await import("./proxy-stop.ts")).proxyStop,
        },
        undefined,
        ["codemie proxy start", "codemie proxy start --detach", "codemie proxy stop"],
      ),
    audit: async () => () =>
      group(
        "audit",
        "What was done with your logins, provably unchanged",
        {
          list: async () => (await import("./audit-list.ts")).auditList,
          verify: async () => (await import("./audit-verify.ts")).auditVerify,
          export: async () => (await import("./audit-export.ts")).auditExport,
        },
        "list",
        ["codemie audit list --last 20", "codemie audit verify"],
      ),
    token: async () => (await import("./token.ts")).token,
  },
  undefined,
  [
    "codemie profile login --url https://codemie.example.com",
    'codemie claude --task "explain this repository"',
    "codemie models",
  ],
);

/** Agents, which take their own arguments: they are dispatched before the tree. */
export const agentLoaders = {
  claude: async () => (await import("../agents/claude.ts")).claude,
} as const;

export const agentSummaries: Readonly<Record<keyof typeof agentLoaders, string>> = {
  claude: "Run Claude Code behind the gateway (same as codemie-claude)",
};
