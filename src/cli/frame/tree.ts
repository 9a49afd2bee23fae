import type { Command, Loader } from "./command.ts";

const group = (
  name: string,
  description: string,
  subCommands: Record<string, Loader>,
  standard?: string,
  examples: readonly string[] = [],
  aliases: Readonly<Record<string, string>> = {},
): Command => ({
  meta: { name, description },
  subCommands,
  examples,
  aliases,
  ...(standard === undefined ? {} : { default: standard }),
});

/** Short forms that users of other tools type, and the words they stand for. */
export const shortcuts: Readonly<Record<string, readonly string[]>> = {
  login: ["profile", "login"],
  logout: ["profile", "logout"],
  status: ["profile", "status"],
  whoami: ["profile", "status"],
  version: ["--version"],
};

/** The command tree, as typed. */
export const tree: Command = group(
  "codemie",
  "Log in once, then run coding agents on the models of your company's CodeMie host",
  {
    setup: async () => (await import("../commands/setup.ts")).setup,
    profile: async () => () =>
      group(
        "profile",
        "Log in and out, and see who you are",
        {
          login: async () => (await import("../commands/profile/login.ts")).profileLogin,
          status: async () => (await import("../commands/profile/status.ts")).profileStatus,
          refresh: async () => (await import("../commands/profile/refresh.ts")).profileRefresh,
          logout: async () => (await import("../commands/profile/logout.ts")).profileLogout,
          list: async () => (await import("../commands/profile/list.ts")).profileList,
          show: async () => (await import("../commands/profile/show.ts")).profileShow,
          use: async () => (await import("../commands/profile/use.ts")).profileUse,
          rename: async () => (await import("../commands/profile/rename.ts")).profileRename,
          delete: async () => (await import("../commands/profile/delete.ts")).profileDelete,
        },
        "list",
        ["codemie profile login --url https://codemie.example.com", "codemie profile use work"],
        { switch: "use" },
      ),
    config: async () => () =>
      group(
        "config",
        "Show settings and where they come from, and change them",
        {
          list: async () => (await import("../commands/config/list.ts")).configList,
          get: async () => (await import("../commands/config/list.ts")).configGet,
          set: async () => (await import("../commands/config/set.ts")).configSet,
          unset: async () => (await import("../commands/config/set.ts")).configUnset,
          path: async () => (await import("../commands/config/reset.ts")).configPath,
          reset: async () => (await import("../commands/config/reset.ts")).configReset,
        },
        "list",
        ["codemie config list --sources", "codemie config set model claude-sonnet-4-6"],
      ),
    install: async () => (await import("../commands/install.ts")).install,
    models: async () => () =>
      group(
        "models",
        "The models your account may use",
        { list: async () => (await import("../commands/models.ts")).modelsList },
        "list",
        ["codemie models", "codemie models --json"],
      ),
    proxy: async () => () =>
      group(
        "proxy",
        "The gateway on its own, for agents you start yourself",
        {
          start: async () => (await import("../commands/proxy/start.ts")).proxyStart,
          env: async () => (await import("../commands/proxy/env.ts")).proxyEnv,
          status: async () => (await import("../commands/proxy/status.ts")).proxyStatus,
          stop: async () => (await import("../commands/proxy/stop.ts")).proxyStop,
        },
        undefined,
        [
          "codemie proxy start",
          "codemie proxy start --detach",
          'eval "$(codemie proxy env claude)"',
          "codemie proxy stop",
        ],
      ),
    doctor: async () => (await import("../commands/doctor.ts")).doctor,
    audit: async () => () =>
      group(
        "audit",
        "What was done with your logins, provably unchanged",
        {
          list: async () => (await import("../commands/audit/list.ts")).auditList,
          verify: async () => (await import("../commands/audit/verify.ts")).auditVerify,
          export: async () => (await import("../commands/audit/export.ts")).auditExport,
        },
        "list",
        ["codemie audit list --last 20", "codemie audit verify"],
      ),
    sessions: async () => () =>
      group(
        "sessions",
        "What your agents' sessions were counted for, and what of it is sent",
        {
          list: async () => (await import("../commands/sessions/list.ts")).sessionsList,
          show: async () => (await import("../commands/sessions/show.ts")).sessionsShow,
        },
        "list",
        ["codemie sessions", "codemie sessions show 051ae1ae --payload"],
      ),
    completion: async () => (await import("../commands/completion.ts")).completion,
    mcp: async () => () =>
      group(
        "mcp",
        "Use remote MCP servers in your coding agent",
        {
          add: async () => (await import("../commands/mcp/add.ts")).mcpAdd,
          list: async () => (await import("../commands/mcp/list.ts")).mcpList,
          logout: async () => (await import("../commands/mcp/logout.ts")).mcpLogout,
        },
        undefined,
        ["codemie mcp add tracker https://mcp.example.com/mcp"],
      ),
    vault: async () => () =>
      group(
        "vault",
        "The encrypted vault that holds your logins",
        {
          status: async () => (await import("../commands/vault/status.ts")).vaultStatus,
          rekey: async () => (await import("../commands/vault/rekey.ts")).vaultRekey,
          export: async () => (await import("../commands/vault/export.ts")).vaultExport,
          import: async () => (await import("../commands/vault/import.ts")).vaultImport,
        },
        "status",
        ["codemie vault status", "codemie vault rekey --ask-passphrase"],
      ),
    self: async () => () =>
      group(
        "self",
        "This program itself: update it, give it its other names, remove it",
        {
          update: async () => (await import("../commands/self/update.ts")).selfUpdate,
          link: async () => (await import("../commands/self/link.ts")).selfLink,
          uninstall: async () => (await import("../commands/self/uninstall.ts")).selfUninstall,
        },
        undefined,
        ["codemie self update", "codemie self update --rollback"],
      ),
    logs: async () => (await import("../commands/logs.ts")).logs,
    token: async () => (await import("../commands/token.ts")).token,
    hook: async () => (await import("../commands/hook.ts")).hook,
    "status-line": async () => (await import("../commands/status-line.ts")).statusLine,
  },
  undefined,
  [
    "codemie profile login --url https://codemie.example.com",
    'codemie claude --task "explain this repository"',
    "codemie models",
  ],
);
