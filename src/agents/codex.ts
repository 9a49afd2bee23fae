import { join } from "node:path";
import * as z from "zod/mini";
import type { Model } from "../api/schemas.ts";
import { parseJson } from "../core/json.ts";
import { replaceFile } from "../platform/files.ts";
import { ask } from "../platform/processes.ts";
import { runVariable } from "../tracking/spool.ts";
import { type Agent, type AgentRun, type AgentStart, flags, naming } from "./agent.ts";
import { codexNotify, givesNotify } from "./codex-notify.ts";
import { agentEnvironment } from "./environment.ts";
import { chooseFitting, makerOf } from "./models.ts";
import { findTop } from "./repository.ts";

const keyVariable = "CODEMIE_GATEWAY_KEY";

/** Words that begin a run, which goes through the gateway as one without them does. */
const runWords = ["exec", "e", "fork", "resume", "review"];

/** Codex. It speaks OpenAI's responses, and leaves out what a folder's own `.codex/config.toml` says of providers. */
export const codex: Agent = {
  name: "codex",
  title: "Codex",
  speaks: "openai",
  binary: "codex",
  package: "@openai/codex",
  versions: ["0.156.0"],
  efforts: ["minimal", "low", "medium", "high", "xhigh"],
  own: {
    subcommands: new Set(
      `a agents app-server apply archive cloud completion debug delete doctor exec-server features help login logout mcp
      mcp-server migrate-nfs-db migrate-rollouts plugin queue remote-control sandbox unarchive update`.split(/\s+/),
    ),
    flags: new Map([
      ...flags(
        "one",
        `--add-dir --ask-for-approval -a --cd -C --color --config -c --cyber-access-program --disable --enable
        --local-provider --output-last-message -o --output-schema -p --remote --remote-auth-token-env --sandbox
        --thread-source`,
      ),
      ...flags("many", "--image -i"),
      ...flags(
        "none",
        `--all --approve-for-me --dangerously-bypass-approvals-and-sandbox --dangerously-bypass-hook-trust --ephemeral
        --ignore-rules --ignore-user-config --include-non-interactive --last --no-alt-screen --no-daemon --oss --search
        --skip-git-repo-check --strict-config --trust --worktree -V`,
      ),
    ]),
    unclear: { flag: "-s", value: /^(read-only|workspace-write|danger-full-access)$/, instead: "--sandbox" },
  },
  chooseModels: (available, wished) => chooseFitting("Codex", available, wished, speaksTo),
  sessions: { layOut: codexNotify, showsWords: true, endsBeforeHook: true },
  start,
  onGateway: ({ url, key, model }) => ({
    env: { [keyVariable]: key },
    line: `codex ${settings(url, speaksTo(model) ? model : "MODEL")
      .map((setting) => `-c '${setting}'`)
      .join(" ")}`,
  }),
};

/** Names that no maker claims may be a host's aliases of a model of OpenAI's. */
const speaksTo = (id: string) => [undefined, "GPT"].includes(makerOf(id));

/** Settings of `-c` win over those of files. The key is none of them: the process list shows arguments. */
const settings = (url: string, model: string): string[] => [
  `model=${JSON.stringify(model)}`,
  'model_provider="codemie"',
  `model_providers.codemie={name="CodeMie",base_url="${url}/v1",env_key="${keyVariable}",wire_api="responses"}`,
];

async function start(run: AgentRun): Promise<AgentStart> {
  const model = run.models.main ?? "";
  const env = agentEnvironment(run.env, /^(OPENAI_BASE_URL|OPENAI_API_KEY|CODEX_API_KEY)$/, {
    [keyVariable]: run.gatewayKey.reveal(),
    [runVariable]: run.tracking?.run ?? "",
  });
  const catalogue = await catalogueOf(run, model);
  const wishes = [
    ...settings(run.gatewayUrl, model),
    ...(catalogue ? [`model_catalog_json=${JSON.stringify(catalogue)}`] : []),
    ...(run.trustsFolder ? [`projects={${JSON.stringify(run.cwd)}={trust_level="trusted"}}`] : []),
    ...(run.tracking && !givesNotify(run.args) ? [run.tracking.plugin] : []),
    ...(run.reasoningEffort ? [`model_reasoning_effort="${run.reasoningEffort}"`] : []),
  ];
  const [first = "", ...others] = run.args;
  const word = runWords.includes(first) ? first : undefined;
  const rest = word ? others : run.args;
  const isInteractive = run.task === undefined && (word === undefined || word === "resume" || word === "fork");
  const ownFolder = rest.some((arg) => /^(?:--skip-git-repo-check|-C|--cd)(?:=|$)/.test(arg));
  const refuses = !isInteractive && !run.trustsFolder && !ownFolder && !(await findTop(run.cwd));
  const resume = run.resume === undefined ? [] : ["resume", ...(run.resume === "" ? [] : [run.resume])];
  return {
    args: [
      ...wishes.flatMap((wish) => ["-c", wish]),
      // A server that the user's own Codex left running has their settings, and would not come through the gateway.
      ...(isInteractive ? ["--no-daemon"] : []),
      ...(word ? [word] : run.task === undefined ? [] : ["exec"]),
      ...(word ? [] : resume),
      ...(run.task !== undefined && run.resume === "" ? ["--last"] : []),
      // Without it Codex works in a repository only, even in a folder that is trusted.
      ...(run.trustsFolder && !isInteractive ? ["--skip-git-repo-check"] : []),
      ...rest,
      ...(run.task === undefined ? [] : ["--", run.task]),
    ],
    env,
    note: refuses ? outsideRepository : undefined,
    lastNote: naming(run, isInteractive),
  };
}

const outsideRepository =
  "this folder lies in no git repository, and Codex runs no task outside of one; if you trust the folder, --trust-folder lets it";

/** Codex's own catalogue: the members that we judge; the others go along. */
const catalogueSchema = z.object({
  models: z.array(z.looseObject({ slug: z.string(), use_responses_lite: z.optional(z.boolean()) })),
});

/** How long Codex may take to print its catalogue, ms, and the longest it may be, bytes. */
const bounds = { patienceMs: 5_000, limit: 8 * 1024 * 1024 };

/**
 * Writes down what Codex should know of the account's models. It knows its maker's by name; one that it does not know is
 * described as the newest of those that need nothing but the plain API.
 *
 * @returns the file; undefined when Codex does not say what it knows, and then it warns of a model it does not know
 */
async function catalogueOf(run: AgentRun, model: string): Promise<string | undefined> {
  const env = agentEnvironment(run.env, /^$/, {});
  const asked = await ask([run.program, "debug", "models"], env, { ...bounds, isQuiet: true });
  if (asked.ended !== "normally" || asked.code !== 0) return undefined;
  const known = parseJson(new TextDecoder().decode(asked.output), catalogueSchema)?.models ?? [];
  const plain = known.find((one) => one.use_responses_lite === false);
  const wanted: Pick<Model, "id" | "label">[] = [{ id: model, label: model }, ...run.available];
  const described = new Map<string, object>();
  for (const { id, label } of wanted) {
    const own = known.find((one) => one.slug === id);
    if (described.has(id) || !speaksTo(id) || !(own ?? plain)) continue;
    const news = { upgrade: null, availability_nux: null, visibility: "list" };
    described.set(
      id,
      own ? { ...own, ...news } : { ...plain, ...news, slug: id, display_name: label, description: "" },
    );
  }
  if (described.size === 0) return undefined;
  const file = join(run.folder, "codex-models.json");
  await replaceFile(file, JSON.stringify({ models: [...described.values()] }), false);
  return file;
}
