import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import type { Agent } from "../agents/agent.ts";
import { withoutOwnSecrets } from "../agents/environment.ts";
import { readRepository } from "../agents/repository.ts";
import { makeRunFolder } from "../agents/run-folder.ts";
import type { Model } from "../api/schemas.ts";
import { readApiKey } from "../auth/api-key.ts";
import { endsSoon } from "../auth/bearer-token.ts";
import type { Credentials } from "../auth/broker.ts";
import { loginAgain } from "../auth/login-again.ts";
import { CodemieError, failure } from "../core/errors.ts";
import { headerSafe } from "../core/text.ts";
import { startGateway } from "../gateway/gateway.ts";
import { browserFor } from "../platform/browser.ts";
import { findProgram, runForeground, versionOf } from "../platform/processes.ts";
import { providerOf, providers } from "../profiles/providers.ts";
import { type Resolved, resolveProfile } from "../profiles/resolve.ts";
import { readRepositoryProfile } from "../profiles/store.ts";
import type { Vault } from "../vault/vault.ts";
import { type AgentArgs, readAgentArgs } from "./agent-args.ts";
import { record } from "./auditing.ts";
import { type Cli, stores } from "./command.ts";
import { when } from "./output.ts";
import { brokerFor, credentialsFor, type Given, givenIn, listModels, type Whose, withoutTokens } from "./session.ts";
import { version, versionLine } from "./version.ts";

/**
 * Runs an agent behind a gateway of its own. Whatever can fail does so before anything starts: the profile, the login,
 * the host, the agent's program.
 *
 * @returns the agent's exit code
 */
export async function runAgent(cli: Cli, agent: Agent, args: readonly string[]): Promise<number> {
  const { runtime } = cli;
  const program = `codemie-${agent.name}`;
  const asked = readAgentArgs(args, program);
  if (asked.help) {
    runtime.terminal.out(helpText(cli, agent, program));
    return 0;
  }
  const binary = findProgram(agent.binary, runtime.env);
  if (asked.version) {
    const config = await stores(runtime)
      .profiles.read()
      .catch(() => undefined);
    const env = withoutOwnSecrets(config ? withoutTokens(runtime.env, config) : runtime.env);
    const theirs = binary ? await versionOf(binary, env) : undefined;
    runtime.terminal.out(`${versionLine}\n${agent.binary} ${theirs ?? "not found on PATH"}\n`);
    return 0;
  }
  if (!binary) throw failure.agentMissing(agent.title, agent.binary, agent.install);

  const { vault, profiles } = stores(runtime);
  const repositoryProfile = await readRepositoryProfile(runtime.cwd);
  const config = await profiles.read();
  const resolved = resolveProfile(
    config,
    { profile: asked.profile, url: asked.baseUrl, model: asked.model, timeout: asked.timeout },
    runtime.env,
    repositoryProfile,
  );
  const host = resolved.host.value;
  const ended = new AbortController();
  const given = await givenToRun(cli, asked, resolved);
  const credentials = given
    ? credentialsFor(cli, vault, resolved, given)
    : brokerFor(cli, vault, resolved, loginInMidRun(cli, vault, resolved, asked, ended.signal));
  // The first look at the host has nobody wait for a browser: what is wrong is said before anything starts.
  const first = credentialsFor(cli, vault, resolved, given);
  if (!asked.silent) await warn(cli, agent, first, asked, resolved);
  const models = agent.chooseModels(await availableModels(cli, first, resolved), resolved.model?.value, {
    haiku: resolved.profile.haikuModel,
    sonnet: resolved.profile.sonnetModel,
    opus: resolved.profile.opusModel,
  });

  // A model provider is told nothing of CodeMie's: neither which repository this is nor who works in it.
  const ownHeaders = host.kind === "codemie" ? await codemieHeaders(cli, program, resolved, models.main) : {};
  const { folder, remove } = await makeRunFolder(runtime.home);
  const gateway = startGateway({
    host,
    credentials,
    ownHeaders,
    fetch: runtime.fetch,
    timeoutMs: resolved.timeout.value * 1000,
  });
  try {
    const { args: agentArgs, env } = await agent.start({
      gatewayUrl: gateway.url,
      gatewayKey: gateway.key,
      models,
      task: asked.task,
      reasoningEffort: asked.reasoningEffort,
      resume: asked.resume,
      args: asked.rest,
      folder,
      env: withoutTokens(runtime.env, config),
    });
    banner(cli, agent, asked, resolved, models.main);
    const code = await runForeground([binary, ...agentArgs], env);
    const { forwarded, denied } = gateway.counts;
    const where = { profile: resolved.name, host: host.origin };
    const detail = { agent: agent.name, exit: code, requests: forwarded };
    await record(cli, vault, { event: "agent-run", ...where, outcome: "ok", detail });
    if (denied > 0)
      await record(cli, vault, { event: "request-denied", ...where, outcome: "denied", detail: { denied } });
    return code;
  } finally {
    ended.abort(failure.interrupted());
    await gateway.close();
    await remove();
  }
}

/** The credential of this run: flag over environment. It is stored nowhere. */
async function givenToRun({ runtime }: Cli, asked: AgentArgs, whose: Whose): Promise<Given | undefined> {
  if (asked.apiKey !== undefined) return { kind: "key", key: readApiKey(asked.apiKey), from: "run" };
  const asksForToken = asked.jwtToken !== undefined || asked.jwtTokenFile !== undefined;
  if (asksForToken && whose.host.value.kind === "provider") throw failure.notForProvider("bearer token", whose.name);
  if (asked.jwtToken === "-") return { kind: "text", text: await runtime.terminal.readAll() };
  if (asked.jwtToken !== undefined) return { kind: "text", text: asked.jwtToken };
  if (asked.jwtTokenFile !== undefined) return { kind: "file", path: resolve(runtime.cwd, asked.jwtTokenFile) };
  return givenIn(runtime.env, whose);
}

/** A credential on the command line, a token that ends soon, an agent the provider does not understand: worth a word. */
async function warn(
  { runtime, output }: Cli,
  agent: Agent,
  credentials: Credentials,
  asked: AgentArgs,
  { profile }: Resolved,
): Promise<void> {
  if (asked.apiKey !== undefined) {
    output.say.warn(
      "other users of this machine can see a key on the command line; use CODEMIE_API_KEY or codemie setup",
    );
  }
  if (asked.jwtToken !== undefined && asked.jwtToken !== "-") {
    output.say.warn(
      "other users of this machine can see a token on the command line; use CODEMIE_JWT_TOKEN, --jwt-token-file FILE or --jwt-token -",
    );
  }
  const { bearer } = await credentials.current();
  if (bearer?.expiresAt !== undefined && endsSoon(bearer, runtime.now())) {
    output.say.warn(`the bearer token ends ${when(bearer.expiresAt, runtime.now())}`);
  }
  const provider = providerOf(profile.provider);
  const speaks: readonly string[] = provider ? providers[provider].speaks : [];
  if (provider && !speaks.includes(agent.speaks)) {
    const { title } = providers[provider];
    output.say.warn(
      `${agent.title} needs the ${agent.speaks} API, which ${title} itself does not have; requests may be refused`,
    );
  }
}

/**
 * Asks for the models, which proves the login too. A host that cannot list them just now does not keep the agent from
 * running.
 */
async function availableModels(cli: Cli, credentials: Credentials, whose: Whose): Promise<Model[]> {
  try {
    return await listModels(cli, credentials, whose);
  } catch (error) {
    if (!(error instanceof CodemieError) || error.code !== "server_error") throw error;
    cli.output.say.warn(`the list of models could not be had: ${error.message}`);
    return [];
  }
}

/** How long a login in the middle of a run may take, ms. The agent just waits. */
const midRunLoginMs = 120_000;

/**
 * When the session ends in the middle of an interactive run, the browser asks for a new login while the agent waits. The
 * screen is the agent's, so nothing is printed; where no browser can open by itself, or nobody watches, there is none.
 */
function loginInMidRun(
  { runtime }: Cli,
  vault: Vault,
  resolved: Resolved,
  asked: AgentArgs,
  stop: AbortSignal,
): (() => Promise<void>) | undefined {
  const watched = runtime.terminal.interactive && asked.task === undefined;
  if (!watched || browserFor(runtime.env).kind === "none") return undefined;
  return async () => {
    await loginAgain(vault, resolved.name, {
      host: resolved.host.value,
      version,
      runtime,
      dialogue: { atUrl: () => undefined, atCode: () => undefined, note: () => undefined },
      timeoutMs: midRunLoginMs,
      mayOpenBrowser: true,
      stop,
    });
  };
}

/** What the platform wants to know of every request (CodeMie fact 5.3). Values that are no header are left out. */
async function codemieHeaders(
  { runtime }: Cli,
  client: string,
  resolved: Resolved,
  model: string | undefined,
): Promise<Record<string, string>> {
  const repository = await readRepository(runtime.cwd);
  const timeoutMs = resolved.timeout.value * 1000;
  const candidates: Record<string, string | undefined> = {
    "x-codemie-cli": `codemie-cli/${version}`,
    "x-codemie-client": client,
    "x-codemie-session-id": randomUUID(),
    "x-codemie-cli-model": model,
    "x-codemie-repository": repository.name,
    "x-codemie-branch": repository.branch,
    "x-codemie-project": resolved.project?.value,
    "x-codemie-integration": resolved.profile.codeMieIntegration?.id,
    "x-codemie-cli-timeout": timeoutMs > 0 ? String(timeoutMs) : undefined,
  };
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(candidates)) {
    const safe = headerSafe(value);
    if (safe !== undefined) headers[name] = safe;
  }
  return headers;
}

function banner({ output }: Cli, agent: Agent, asked: AgentArgs, resolved: Resolved, model: string | undefined): void {
  if (asked.silent || asked.task !== undefined) return;
  const parts = [agent.title, resolved.host.value.origin, `profile ${resolved.name}`, model && `model ${model}`];
  output.say.info(`${output.paint("accent", "codemie", "err")} · ${parts.filter(Boolean).join(" · ")}`);
}

function helpText({ output }: Cli, agent: Agent, program: string): string {
  const bold = (text: string) => output.paint("bold", text);
  return `Run ${agent.title} behind the CodeMie gateway; it never sees your credential

${bold("Usage")}
  ${program} [flags] [prompt] [-- ${agent.binary}'s own arguments]

${bold("Flags")}
      --task TEXT               run TEXT without interaction and exit
  -m, --model ID                model to use (default: the profile's, else the account's)
      --profile NAME            profile to run with
      --base-url URL            CodeMie host or its /code-assistant-api
      --jwt-token TOKEN         use this token, stored nowhere (- reads standard input)
      --jwt-token-file PATH     use the token in this file, read again when it changes
      --api-key KEY             use this key of the profile's model provider, stored nowhere
      --reasoning-effort LEVEL  how much the model should think
      --resume [ID]             go on with an earlier session
      --timeout SECONDS         longest wait for the first byte of an answer, 0 for ever
  -s, --silent                  no banner, no notes
      --version                 our version and the agent's
  -h, --help                    this help (${agent.binary}'s own: ${program} -- --help)

Everything else goes to ${agent.binary} untouched and in order.

${bold("Examples")}
  ${program}
  ${program} --task "explain this repository"
  CODEMIE_JWT_TOKEN=… ${program} --base-url https://codemie.example.com --task "review the last commit"
  ${program} --model claude-sonnet-4-6 -- --verbose
`;
}
