import { join } from "node:path";
import * as z from "zod/mini";
import type { Model } from "../api/schemas.ts";
import { parseJson } from "../core/json.ts";
import { replaceFile } from "../platform/files.ts";
import { readNamedText } from "../platform/foreign-files.ts";
import { withoutLoopbackProxy } from "../platform/network.ts";
import { systemHome } from "../platform/places.ts";
import { runVariable } from "../tracking/spool.ts";
import { type Agent, type AgentModels, type AgentRun, type AgentStart, naming, partsOf, type Tiers } from "./agent.ts";
import { claudeArguments } from "./claude-arguments.ts";
import { claudeInventory } from "./claude-inventory.ts";
import { bringsPlugin, layOutPlugin, removeOldPlugins } from "./claude-plugin.ts";
import { statusLineFor } from "./claude-status-line.ts";
import { agentEnvironment } from "./environment.ts";
import { agentFailure } from "./failures.ts";
import { claudeStateOf, leftOut, toldBy } from "./trust.ts";

/** Variables that choose another provider, endpoint, credential or model for Claude Code. */
const competing =
  /^(ANTHROPIC_.*|CLAUDE_CODE_(USE_.*|SKIP_.*_AUTH|OAUTH_.*|API_.*|SESSION_ACCESS_TOKEN|HOST_.*|CUSTOM_OAUTH_URL|GATEWAY_.*|CLIENT_KEY.*|CLIENT_CERT|EXTRA_BODY|PROVIDER_MANAGED_BY_HOST|SUBAGENT_MODEL.*|RUNNER_MODEL_SOCKET|PROXY_RESOLVES_HOSTS)|AWS_BEARER_TOKEN_BEDROCK|CLAUDE_SESSION_INGRESS_TOKEN_FILE)$/;

/** Emptied in our settings file: otherwise a settings file of the user or of a repository could set them. */
const pinnedEmpty = [
  "ANTHROPIC_API_KEY",
  "ANTHROPIC_CUSTOM_HEADERS",
  "ANTHROPIC_UNIX_SOCKET",
  "ANTHROPIC_BEDROCK_BASE_URL",
  "ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
  "ANTHROPIC_VERTEX_BASE_URL",
  "ANTHROPIC_FOUNDRY_BASE_URL",
  "ANTHROPIC_FOUNDRY_RESOURCE",
  "ANTHROPIC_AWS_BASE_URL",
  "ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
  "CLAUDE_CODE_API_BASE_URL",
  "CLAUDE_CODE_OAUTH_TOKEN",
  "CLAUDE_CODE_EXTRA_BODY",
] as const;
const pinnedOff = [
  "CLAUDE_CODE_USE_BEDROCK",
  "CLAUDE_CODE_USE_VERTEX",
  "CLAUDE_CODE_USE_FOUNDRY",
  "CLAUDE_CODE_USE_MANTLE",
  "CLAUDE_CODE_USE_GATEWAY",
  "CLAUDE_CODE_USE_ANTHROPIC_AWS",
  "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
] as const;

/**
 * Set in our settings file as in the user's environment: a repository must not decide where Claude Code reports prompts
 * to.
 */
const pinnedToEnvironment = [
  "CLAUDE_CODE_ENABLE_TELEMETRY",
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
] as const;

/**
 * Set unless the user sets them: behind a company's gateway Claude Code talks to that gateway and to nobody else. A repository's
 * settings do not undo them, since our settings file has them too.
 */
const defaults: Readonly<Record<string, string>> = {
  // Of all switches only this one ends `GET https://api.anthropic.com/api/directory/server-urls` and a hundred requests like it. For a
  // user who empties it, the single switches remain.
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  DISABLE_TELEMETRY: "1",
  DISABLE_ERROR_REPORTING: "1",
  DISABLE_AUTOUPDATER: "1",
  CLAUDE_CODE_DISABLE_FEEDBACK_SURVEY: "1",
  CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: "1",
  // Claude Code asks for `GET /v1/models` when it starts, and `/model` lists what it got.
  CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY: "1",
  // A session sent to the background is run later by a supervisor of Claude Code's, with the user's own settings and no gateway.
  CLAUDE_CODE_DISABLE_AGENT_VIEW: "1",
  CLAUDE_CODE_DISABLE_BG_EXIT_HANDOFF: "1",
};

/** Set for a host that refuses betas: tool search, context management and the cache of an hour are among them. */
const betasOff = { CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS: "1" };

/** Pinned where the user's environment sets it: a repository must not undo it. */
const pinnedWhereSet = ["CLAUDE_CODE_SUBPROCESS_ENV_SCRUB"] as const;

const tierNames = ["haiku", "sonnet", "opus"] as const;

/** Claude Code. */
export const claude: Agent = {
  name: "claude",
  title: "Claude Code",
  speaks: "anthropic",
  binary: "claude",
  package: "@anthropic-ai/claude-code",
  versions: ["2.0.0"],
  efforts: ["low", "medium", "high", "xhigh", "max"],
  own: claudeArguments,
  sessions: { layOut: layOutPlugin, removeOld: removeOldPlugins, inventory: claudeInventory },
  chooseModels,
  start,
  onGateway: ({ url, key }) => ({ env: { ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: key }, line: "claude" }),
};

/** Claude Code's own names for models, with the tier that each begins with; `[1m]` behind any name asks for a long context. */
const ownNames: Readonly<Record<string, string>> = {
  haiku: "haiku",
  sonnet: "sonnet",
  opus: "opus",
  fable: "fable",
  best: "opus",
  opusplan: "sonnet",
};

/**
 * Chooses the wished model, else the account's default if it is a Claude, else the first Claude, else the default, else
 * any. A tier that the profile does not name gets the account's newest model of that name, or the main model, so that
 * Claude Code never asks for a model that the account does not have.
 */
function chooseModels(available: readonly Model[], wished: string | undefined, tiers: Tiers): AgentModels {
  const bare = wished?.replace(/\[1m\]$/i, "");
  const key = bare?.toLowerCase() ?? "";
  const named = Object.hasOwn(ownNames, key) ? ownNames[key] : undefined;
  const isClaude = (model: Model) => /claude/i.test(model.id);
  const standard = available.find((model) => model.default);
  const usual = (standard && isClaude(standard) ? standard : (available.find(isClaude) ?? standard ?? available[0]))
    ?.id;
  const { compare } = new Intl.Collator("en", { numeric: true });
  const newest = (tier: string) =>
    available
      .map((model) => model.id)
      .filter((id) => id.toLowerCase().includes(tier))
      .sort(compare)
      .at(-1);
  const chosen: Record<string, string> = {};
  for (const tier of named === "fable" ? [...tierNames, named] : tierNames) {
    const id = tiers[tier] ?? newest(tier) ?? (named ? usual : (bare ?? usual));
    if (id !== undefined) chosen[tier] = id;
  }
  if (named === undefined) return { main: wished ?? usual, id: bare ?? usual, tiers: chosen };
  const isAbsent = available.length > 0 && tiers[named] === undefined && newest(named) === undefined;
  return { main: wished, id: chosen[named] ?? wished, tiers: chosen, ...(isAbsent ? { absent: named } : {}) };
}

/**
 * Claude Code takes its endpoint from the environment, but `env` in a settings file overrides that, even in a
 * repository's. `--settings` overrides both, so the same values go there. `CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST` also
 * makes Claude Code ignore all provider variables in settings files.
 */
async function start(run: AgentRun): Promise<AgentStart> {
  const models: Record<string, string> = {};
  if (run.models.main) models.ANTHROPIC_MODEL = run.models.main;
  for (const [tier, id] of Object.entries(run.models.tiers))
    models[`ANTHROPIC_DEFAULT_${tier.toUpperCase()}_MODEL`] = id;
  const ours = {
    ...models,
    ANTHROPIC_BASE_URL: run.gatewayUrl,
    ANTHROPIC_AUTH_TOKEN: run.gatewayKey.reveal(),
    CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST: "1",
    // Claude Code ends with the command that continues the session; `claude` alone would not go through the gateway. It takes no
    // more than a program's name here, so the flags that belong to it stand in a line of ours.
    CLAUDE_CODE_RESUME_HINT_COMMAND: program,
    // Always set: a repository's settings must not name another run.
    [runVariable]: run.tracking?.run ?? "",
  };
  const usual = defaultsFor(run);
  const isTold = run.args.slice(0, endOf(run.args));
  const leaves =
    isTold.find((arg, i) => elsewhere.test(arg) || (arg === "--teammate-mode" && isTold[i + 1] !== inProcess)) ??
    // Claude Code looks for this one in all of its arguments, the task included.
    [...run.args, run.task ?? ""].find((arg) => /^--tmux(?:=|$)/.test(arg)) ??
    // A session's name is none of its flags.
    (run.resume?.startsWith("-") ? run.resume : undefined);
  if (leaves !== undefined) throw agentFailure.elsewhere(leaves.split("=")[0] ?? leaves);
  // Claude Code judges them before our settings file counts, but after a repository's, which could allow them.
  const flag = isTold.find((arg) => inBackground.test(arg));
  if (flag && usual.CLAUDE_CODE_DISABLE_AGENT_VIEW) throw agentFailure.inBackground(flag.split("=")[0] ?? flag);
  const pinned = {
    ...Object.fromEntries(pinnedEmpty.map((name) => [name, ""])),
    ...Object.fromEntries(pinnedOff.map((name) => [name, "0"])),
    ...Object.fromEntries(pinnedToEnvironment.map((name) => [name, run.env[name] ?? ""])),
    ...Object.fromEntries(pinnedWhereSet.flatMap((name) => (run.env[name] ? [[name, run.env[name]]] : []))),
    ...withoutLoopbackProxy(run.env),
    ...ours,
  };
  const { settings, args } = await takeSettings(run.args);
  const left = await leavesOut(run);
  const file = join(run.folder, "claude-settings.json");
  const env = { ...usual, ...settings.env, ...pinned };
  const merged = { ...settings, ...statusLineFor(run, settings), teammateMode: inProcess, env };
  await replaceFile(file, `${JSON.stringify(merged, null, 2)}\n`, false);
  return {
    args: [
      "--settings",
      file,
      ...(run.tracking && !bringsPlugin(args) ? ["--plugin-dir", run.tracking.plugin] : []),
      ...(left?.flags ?? []),
      ...(run.resume === undefined ? [] : run.resume === "" ? ["--resume"] : ["--resume", run.resume]),
      ...(run.reasoningEffort === undefined ? [] : ["--effort", run.reasoningEffort]),
      ...(run.task === undefined ? args : ["--print", ...args, "--", run.task]),
    ],
    env: agentEnvironment(run.env, competing, { ...usual, ...ours }),
    lastNote: run.again === program ? undefined : naming(run, run.task === undefined && !isPrinting(args)),
    note: left && left.names.length > 0 ? leftOut("Claude Code", left.names) : undefined,
  };
}

const program = "codemie-claude";

const isPrinting = (args: readonly string[]): boolean => args.some((arg) => arg === "-p" || arg === "--print");

/** Flags that start a session in the background. */
const inBackground = /^--(?:bg|background|routine)(?:=|$)/;

/**
 * Flags with which Claude Code runs in another program or on another machine: below a tmux server, whose environment may hold the
 * credential and which goes on when our gateway has ended, in the desktop's program, in the cloud.
 */
const elsewhere =
  /^--(?:tmux|desktop|cloud|environment|pool|remote|remote-control|rc|teleport)(?:=|$)|^--teammate-mode=(?!in-process$)/;
/** How teammates run as part of this process, and not in panes of a terminal program. */
const inProcess = "in-process";

/** @returns how many arguments stand before a `--` */
const endOf = (args: readonly string[]) => (args.includes("--") ? args.indexOf("--") : args.length);

/** Flags with which Claude Code asks nobody: alone, or among short ones that are joined. */
const headless = /^(?:--(?:print|init|init-only|maintenance|input-format|output-format|sdk-url)(?:=|$)|-[a-zA-Z]*p)/;

/**
 * Claude Code asks whether a folder is trusted at a terminal only; with `--print` it runs the folder's hooks and servers. Leaving out
 * the folder's settings leaves out the servers that the user has registered for it too, so those are given by file.
 *
 * @returns the arguments that leave them out, and what that is; undefined when nothing is to be left out
 */
async function leavesOut({ task, trustsFolder, args, cwd, env, folder, isWatched }: AgentRun) {
  const flags = partsOf(args, claudeArguments).flatMap(({ kind, text }) => (kind === "flag" ? text : []));
  const isHeadless = task !== undefined || !isWatched || flags.some((flag) => headless.test(flag));
  const isChosen = trustsFolder || flags.some((flag) => /^--setting-sources(=|$)/.test(flag));
  if (!isHeadless || isChosen) return undefined;
  const { isTrusted, servers } = await claudeStateOf(cwd, env);
  if (isTrusted) return undefined;
  const names = await toldBy(
    cwd,
    ["CLAUDE.md", ".claude", ".mcp.json"],
    env.CLAUDE_CONFIG_DIR || join(systemHome(), ".claude"),
  );
  const ours = ["--setting-sources", "user"];
  if (Object.keys(servers).length > 0) {
    const file = join(folder, "claude-mcp.json");
    await replaceFile(file, `${JSON.stringify({ mcpServers: servers })}\n`, false);
    ours.push("--mcp-config", file);
  }
  return { flags: ours, names };
}

/** @returns the variables that are set for this run, without those that the user sets */
function defaultsFor({ env, betas }: AgentRun): Record<string, string> {
  const all = { ...defaults, ...(betas ? {} : betasOff) };
  return Object.fromEntries(Object.entries(all).filter(([name]) => env[name] === undefined));
}

/** Claude Code makes texts of numbers and the like in `env` itself. */
const settingsSchema = z.looseObject({ env: z.optional(z.record(z.string(), z.unknown())) });

/** Longest settings file, bytes. */
const longestSettings = 1024 * 1024;

/** Keeps the user's own `--settings` (a file or JSON); ours override them. */
async function takeSettings(
  args: readonly string[],
): Promise<{ settings: z.infer<typeof settingsSchema>; args: readonly string[] }> {
  const at = args.findIndex((arg) => arg === "--settings" || arg.startsWith("--settings="));
  if (at < 0) return { settings: {}, args };
  const joined = args[at]?.startsWith("--settings=");
  const value = joined ? args[at]?.slice("--settings=".length) : args[at + 1];
  const rest = args.toSpliced(at, joined ? 1 : 2);
  if (!value) throw agentFailure.settingsMissing();
  const text = value.trimStart().startsWith("{")
    ? value
    : await readNamedText(value, longestSettings).catch(() => undefined);
  const settings = text === undefined ? undefined : parseJson(text.replace(/^\uFEFF/, ""), settingsSchema);
  if (!settings) throw agentFailure.settingsUnreadable();
  return { settings, args: rest };
}
