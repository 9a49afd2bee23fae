import { dirname, join } from "node:path";
import * as z from "zod/mini";
import { randomBytes } from "../core/crypto.ts";
import type { Env } from "../core/env.ts";
import { parseJson } from "../core/json.ts";
import { ensureFolder, removeFile, renameFile, replaceFile, tryToWrite } from "../platform/files.ts";
import { readNamedText } from "../platform/foreign-files.ts";
import { linkEntries } from "../platform/linked-folder.ts";
import { isAllOwn } from "../platform/own-content.ts";
import { systemHome } from "../platform/places.ts";
import { checkBaseFolder, silently } from "../platform/private.ts";
import { geminiRunVariable, runVariable } from "../tracking/spool.ts";
import { type Agent, type AgentRun, type AgentStart, flags, naming, partsOf } from "./agent.ts";
import { agentEnvironment } from "./environment.ts";
import { agentFailure } from "./failures.ts";
import { geminiHook, hooksBeside } from "./gemini-hooks.ts";
import { chooseFitting, makerOf } from "./models.ts";

/** Gemini CLI. */
export const gemini: Agent = {
  name: "gemini",
  title: "Gemini CLI",
  speaks: "gemini",
  binary: "gemini",
  package: "@google/gemini-cli",
  versions: ["0.39.1"],
  efforts: [],
  own: {
    subcommands: new Set("extension extensions gemma hook hooks mcp skill skills".split(" ")),
    flags: new Map([
      ...flags(
        "one",
        `--approval-mode --delete-session --output-format -o --prompt -p --prompt-interactive -i --session-file --session-id -r`,
      ),
      ...flags(
        "many",
        `--admin-policy --allowed-mcp-server-names --allowed-tools --extensions -e --include-directories --policy`,
      ),
      ...flags("optional", "--worktree -w"),
      ...flags(
        "none",
        `--accept-raw-output-risk --acp --debug -d --experimental-acp --list-extensions -l --list-sessions --raw-output
        --sandbox --screen-reader --skip-trust -v --yolo -y`,
      ),
    ]),
  },
  chooseModels: (available, wished) => chooseFitting("Gemini CLI", available, wished, (id) => makerOf(id) === "Gemini"),
  sessions: { layOut: geminiHook },
  start,
  // It takes its way to log in from a settings file only, so no line alone leads it to a gateway.
  onGateway: () => undefined,
};

/**
 * Set for every run, empty where the user sets nothing: a `.env` in the repository adds what is not set, above all another
 * address, key or receiver of telemetry.
 */
const pinned = [
  "CODE_ASSIST_ENDPOINT",
  "GEMINI_CLI_CUSTOM_HEADERS",
  "GOOGLE_API_KEY",
  "GOOGLE_GENAI_USE_GCA",
  "GOOGLE_GENAI_USE_VERTEXAI",
  "GOOGLE_VERTEX_BASE_URL",
] as const;
const competing = /^(GEMINI_API_KEY_AUTH_MECHANISM|GEMINI_DEFAULT_AUTH_TYPE|GEMINI_MODEL)$/;
const proxies = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] as const;

/**
 * Gemini CLI takes the way to log in from a settings file only. The user's own may say another, so it gets a home of its own
 * with a copy of theirs, changed in that. All else of their folder is linked there, but for their logins.
 */
async function start(run: AgentRun): Promise<AgentStart> {
  const own = join(run.env.GEMINI_CLI_HOME || systemHome(), ".gemini");
  const { home, aside } = await homeFor(run);
  const folder = join(home, ".gemini");
  await ensureFolder(folder);
  // Gemini CLI puts a file of its own in this link's place when it notes a folder. A "no" that the user says later must count.
  await removeFile(join(folder, "trustedFolders.json"));
  await linkEntries(own, folder, ["settings.json", ".env", "oauth_creds.json", "google_accounts.json"]);
  const settings = await settingsIn(join(own, "settings.json"));
  const auth = { ...settings.security?.auth, selectedType: "gemini-api-key" };
  const changed = {
    ...settings,
    security: { ...settings.security, auth },
    ...(run.tracking ? { hooks: hooksBeside(settings.hooks, run.tracking.plugin) } : {}),
  };
  await replaceFile(join(folder, "settings.json"), `${JSON.stringify(changed, null, 2)}\n`);
  const model = run.models.main ?? "";
  const isAsked = partsOf(run.args, gemini.own).some(
    ({ kind, text }) => kind === "flag" && /^(-p|--prompt)(=|$)/.test(text),
  );
  const later = naming(run, run.task === undefined && !isAsked);
  return {
    args: [
      "--model",
      model,
      ...(run.trustsFolder ? ["--skip-trust"] : []),
      ...(run.resume === undefined ? [] : ["--resume", run.resume || "latest"]),
      ...run.args,
      ...(run.task === undefined ? [] : [`--prompt=${run.task}`]),
    ],
    env: agentEnvironment(run.env, competing, {
      ...Object.fromEntries(pinned.map((name) => [name, ""])),
      ...Object.fromEntries(proxies.map((name) => [name, run.env[name] ?? ""])),
      ...telemetryOf(run.env, settings),
      [runVariable]: run.tracking?.run ?? "",
      [geminiRunVariable]: run.tracking?.run ?? "",
      GEMINI_CLI_HOME: home,
      GOOGLE_GEMINI_BASE_URL: run.gatewayUrl,
      GEMINI_API_KEY: run.gatewayKey.reveal(),
    }),
    note: aside && `${join(run.home, kept)} had files of another user: all of it is in ${aside} now, your sessions too`,
    lastNote: (code) => (code === untrusted && !run.trustsFolder ? untrustedNote : later(code)),
  };
}

/** Its exit code where it runs no task, since nobody has said that the folder is trusted. */
const untrusted = 55;
const untrustedNote =
  "Gemini CLI runs no task in a folder that nobody has said is trusted; if you trust it, --trust-folder lets it";

/** Its home under our base folder. */
const kept = "agents/gemini";

/**
 * Gemini CLI runs what extensions and settings in its home say, so a home with anything of another user's in it is moved aside.
 *
 * @returns a folder that stays, so that sessions can be continued; the run's own where ours cannot be written; and where the one
 *   before is
 */
async function homeFor(run: AgentRun): Promise<{ home: string; aside?: string }> {
  const home = join(run.home, kept);
  try {
    checkBaseFolder(dirname(home), silently);
    const aside = isAllOwn(home) ? undefined : `${home}-of-others-${randomBytes(6).toString("hex")}`;
    if (aside !== undefined) await renameFile(home, aside);
    await ensureFolder(home);
    await tryToWrite(home);
    return { home, ...(aside === undefined ? {} : { aside }) };
  } catch {
    return { home: run.folder };
  }
}

const settingsSchema = z.looseObject({
  security: z.optional(z.looseObject({ auth: z.optional(z.looseObject({})) })),
  telemetry: z.optional(z.looseObject({ enabled: z.optional(z.boolean()) })),
  hooks: z.optional(z.unknown()),
});
type Settings = z.infer<typeof settingsSchema>;

/** Longest settings file, bytes. */
const longestSettings = 1024 * 1024;

/** @throws usage error when it is there and is no settings file */
async function settingsIn(file: string): Promise<Settings> {
  const text = await readNamedText(file, longestSettings, 0).catch(() => null);
  if (text === undefined) return {};
  const { stripComments } = await import("jsonc-parser");
  const settings = text === null ? undefined : parseJson(stripComments(text).replace(/^\uFEFF/, ""), settingsSchema);
  if (!settings) throw agentFailure.foreignSettings(file);
  return settings;
}

/** Variables of telemetry, with the member of the settings that each wins over, and what holds without either. */
const telemetry = [
  ["ENABLED", "enabled", "false"],
  ["TARGET", "target", "local"],
  ["OTLP_ENDPOINT", "otlpEndpoint", ""],
  ["OTLP_PROTOCOL", "otlpProtocol", "grpc"],
  ["LOG_PROMPTS", "logPrompts", "true"],
  ["OUTFILE", "outfile", ""],
  ["USE_COLLECTOR", "useCollector", "false"],
  ["USE_CLI_AUTH", "useCliAuth", "false"],
  ["TRACES_ENABLED", "traces", "false"],
] as const;

/** Telemetry as the user wishes it: a repository must not decide where Gemini CLI reports prompts to. */
const telemetryOf = (env: Env, settings: Settings): Record<string, string> =>
  Object.fromEntries(
    telemetry.map(([name, member, usual]) => {
      const variable = `GEMINI_TELEMETRY_${name}`;
      return [variable, env[variable] ?? String(settings.telemetry?.[member] ?? usual)];
    }),
  );
