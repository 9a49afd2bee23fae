import { join, parse, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import * as z from "zod/mini";
import type { Model } from "../api/schemas.ts";
import { parseJson } from "../core/json.ts";
import { systemHome } from "../platform/places.ts";
import { runVariable } from "../tracking/spool.ts";
import { type Agent, type AgentRun, type AgentStart, flags, naming, type OwnArguments, partsOf } from "./agent.ts";
import { agentEnvironment } from "./environment.ts";
import { agentFailure } from "./failures.ts";
import { chooseFitting, makerOf } from "./models.ts";
import { layOutOpencodePlugin, removeOldOpencodePlugins } from "./opencode-plugin.ts";
import { leftOut, toldBy } from "./trust.ts";

/** Our provider in OpenCode's configuration: a model is `codemie/ID` there. */
const provider = "codemie";

/** Files and folders by which a folder tells it something. */
const told = ["opencode.json", "opencode.jsonc", ".opencode", "AGENTS.md"];

/** Words that begin a run, which goes through the gateway as one without them does. */
const runWords = ["run", "acp", "serve", "web"];

const own: OwnArguments = {
  subcommands: new Set(
    "agent attach auth completion db debug export github import mcp models plug plugin pr providers session stats uninstall upgrade".split(
      " ",
    ),
  ),
  flags: new Map([
    ...flags(
      "one",
      `--agent --attach --command --dir --format --hostname --log-level --mdns-domain --password -p --port --prompt
      --replay-limit --session --title --username -u --variant`,
    ),
    ...flags("many", "--cors --file -f"),
    ...flags(
      "none",
      "--auto --continue -c --fork --interactive -i --mdns --mini --no-replay --print-logs --pure --share --thinking -v",
    ),
  ]),
  unclear: { flag: "-s", value: /^ses_/, instead: "--resume" },
};

/** OpenCode 1. Version 2 has another configuration and other plugins. */
export const opencode: Agent = {
  name: "opencode",
  title: "OpenCode",
  speaks: "openai",
  binary: "opencode",
  package: "opencode-ai@1",
  versions: ["1.0.0", "2.0.0"],
  efforts: ["minimal", "low", "medium", "high", "xhigh"],
  own,
  chooseModels: (available, wished) =>
    chooseFitting(
      "OpenCode",
      available,
      wished?.startsWith(`${provider}/`) ? wished.slice(provider.length + 1) : wished,
      () => true,
    ),
  sessions: { layOut: layOutOpencodePlugin, removeOld: removeOldOpencodePlugins },
  start,
  onGateway: ({ url, key, model }) => ({
    env: {
      OPENCODE_CONFIG_CONTENT: asText({}, configuration(url, key, model, [], undefined)),
      OPENCODE_DISABLE_MODELS_FETCH: "1",
    },
    line: `opencode --model '${provider}/${model}'`,
  }),
};

/** A configuration that the user gives in the same variable, which goes along. */
const contentSchema = z.looseObject({
  provider: z.optional(z.record(z.string(), z.unknown())),
  plugin: z.optional(z.array(z.unknown())),
});

/**
 * `OPENCODE_CONFIG_CONTENT` wins over a repository's `opencode.json`, but only in what it names. So it names all that chooses
 * where requests go: a repository could have a provider of its own for the small model, which gets the first prompt to
 * find a title for it. The key stands in it and not in a variable of its own, since a repository's configuration can put any
 * variable (`{env:NAME}`) into the headers of an MCP server of its own.
 */
async function start(run: AgentRun): Promise<AgentStart> {
  const model = run.models.main ?? "";
  const given = run.env.OPENCODE_CONFIG_CONTENT;
  const theirs = given === undefined ? {} : parseJson(given, contentSchema);
  if (!theirs) throw agentFailure.foreignSettings("OPENCODE_CONFIG_CONTENT");
  const ours = configuration(run.gatewayUrl, run.gatewayKey.reveal(), model, run.available, run.reasoningEffort);
  const plugin = run.tracking && { plugin: [...(theirs.plugin ?? []), pathToFileURL(run.tracking.plugin).href] };
  const parts = partsOf(run.args, own);
  const first = parts.find(({ kind }) => kind === "word");
  const typed = first && runWords.includes(first.text) ? first : undefined;
  const word = typed?.text ?? (run.task === undefined ? undefined : "run");
  const rest = typed ? run.args.toSpliced(typed.at, 1) : run.args;
  const isHeadless = word === "run" && !run.trustsFolder;
  const left = isHeadless ? await toldBy(run.cwd, told, join(systemHome(), ".opencode")) : [];
  const place = isHeadless ? elsewhere(rest, run.cwd) : { rest };
  const takesModel = word === undefined || word === "run";
  return {
    args: [
      ...(word === undefined ? [] : [word]),
      ...(takesModel ? ["--model", `${provider}/${model}`] : []),
      ...(run.resume === undefined ? [] : run.resume === "" ? ["--continue"] : ["--session", run.resume]),
      ...place.rest,
      ...(run.task === undefined ? [] : ["--", run.task]),
    ],
    env: agentEnvironment(run.env, /^(OPENCODE_CONFIG_CONTENT|OPENCODE_MODELS_URL|OPENCODE_MODELS_PATH)$/, {
      OPENCODE_CONFIG_CONTENT: asText({ ...theirs, ...plugin }, ours),
      [runVariable]: run.tracking?.run ?? "",
      // Otherwise it asks a list on the internet which models there are, and waits for the answer.
      OPENCODE_DISABLE_MODELS_FETCH: run.env.OPENCODE_DISABLE_MODELS_FETCH ?? "1",
      ...(isHeadless ? { OPENCODE_DISABLE_PROJECT_CONFIG: "1", OPENCODE_DISABLE_EXTERNAL_SKILLS: "1" } : {}),
    }),
    ...("cwd" in place ? { cwd: place.cwd } : {}),
    note: left.length > 0 ? leftOut("OpenCode", left) : undefined,
    lastNote: naming(run, word === undefined),
  };
}

/**
 * OpenCode's runtime looks for a module that is not there in the folder it starts in, and in all above: `node_modules` or a
 * `tsconfig.json` there would run in its process. In the root folder only root's could, so it starts there and is told
 * where to work.
 */
function elsewhere(args: readonly string[], cwd: string): { rest: readonly string[]; cwd: string } {
  const parts = partsOf(args, own);
  const flags = parts.filter(({ kind }) => kind === "flag");
  // With `--attach`, another server works, in a folder of its own.
  if (flags.some(({ text }) => /^--attach(=|$)/.test(text))) return { rest: args, cwd: parse(cwd).root };
  const dir = flags.find(({ text }) => /^--dir(=|$)/.test(text));
  const given = dir?.text.startsWith("--dir=") ? dir.text.slice("--dir=".length) : args[(dir?.at ?? -2) + 1];
  const rest = dir ? args.toSpliced(dir.at, dir.text.includes("=") ? 1 : 2) : args;
  return { rest: ["--dir", resolve(cwd, given ?? ""), ...rest], cwd: parse(cwd).root };
}

/** Stands for a brace in a text of ours until the text of the whole is made. */
const brace = "\ue07b";

/**
 * OpenCode puts variables and files in place of `{env:NAME}` and `{file:PATH}` before it reads the JSON, and escapes nothing: a
 * model's name that a repository or a host gives could end its text so, and go on as configuration. An escaped brace is none
 * to it until then. What the user wrote stays as it is.
 */
function asText(theirs: z.infer<typeof contentSchema>, ours: ReturnType<typeof configuration>): string {
  const inert = withoutBraces(ours) as typeof ours;
  const all = { ...theirs, ...inert, provider: { ...theirs.provider, ...inert.provider } };
  return JSON.stringify(all).replaceAll(brace, "\\u007b");
}

/** @returns the value with {@link brace} for each opening brace in its texts and names */
function withoutBraces(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll("{", brace);
  if (Array.isArray(value)) return value.map(withoutBraces);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, one]) => [name.replaceAll("{", brace), withoutBraces(one)]);
  return Object.fromEntries(members);
}

/** The longest part of the environment that Linux passes on, bytes, with room for what is not models. */
const longestModels = 96 * 1024;

function configuration(
  url: string,
  key: string,
  model: string,
  available: readonly Pick<Model, "id" | "label">[],
  effort: string | undefined,
) {
  const models: Record<string, object> = {};
  let length = 0;
  for (const { id, label } of [{ id: model, label: "" }, ...available]) {
    const one = {
      ...(label ? { name: label } : {}),
      // The provider's own API for models that speak it best; the others take chat completions.
      ...(makerOf(id) === "GPT" ? { provider: { npm: "@ai-sdk/openai" } } : {}),
      ...(effort ? { options: { reasoningEffort: effort } } : {}),
    };
    length += JSON.stringify(one).length + id.length + 4;
    if (length < longestModels) models[id] = one;
  }
  return {
    model: `${provider}/${model}`,
    small_model: `${provider}/${model}`,
    enabled_providers: [provider],
    disabled_providers: [],
    share: "disabled",
    autoupdate: false,
    provider: {
      [provider]: {
        npm: "@ai-sdk/openai-compatible",
        name: "CodeMie",
        options: { baseURL: `${url}/v1`, apiKey: key },
        models,
      },
    },
  };
}
