import { forwardTrail, record } from "../../../access/audit.ts";
import { availableModels, brokerFor, credentialsFor, forProfile } from "../../../access/credentials.ts";
import { givenToRun, subjectOf, tellOfEnd, warnOfShown } from "../../../access/given.ts";
import { stores } from "../../../access/stores.ts";
import { type Agent, type AgentModels, installCommand } from "../../../agents/agent.ts";
import { type Effort, nearestEffort } from "../../../agents/effort.ts";
import { readRepository } from "../../../agents/repository.ts";
import { makeRunFolder } from "../../../agents/run-folder.ts";
import { checkVersion } from "../../../agents/version.ts";
import type { Model } from "../../../api/schemas.ts";
import { CodemieError, failure } from "../../../core/errors.ts";
import { closest, printable } from "../../../core/text.ts";
import { versionLine } from "../../../core/version.ts";
import { ciLogOf } from "../../../core/workflow-commands.ts";
import { portFor } from "../../../daemon/port.ts";
import type { LoginTold } from "../../../gateway/gateway.ts";
import { isTerminal } from "../../../platform/is-terminal.ts";
import type { Fetch } from "../../../platform/network.ts";
import { findProgram, runForeground, versionOf } from "../../../platform/processes.ts";
import { environmentForOthers, withoutTokens } from "../../../profiles/environment.ts";
import { providerOf, providers } from "../../../profiles/providers.ts";
import { type Resolved, resolveProfile } from "../../../profiles/resolve.ts";
import { readRepositoryProfile } from "../../../profiles/store.ts";
import { withIdentity } from "../../credential-flags.ts";
import type { Cli } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";
import { quoted } from "../proxy/lines.ts";
import { type AgentArgs, readAgentArgs } from "./args.ts";
import { betasOfRun } from "./betas.ts";
import { loginInMidRun, withLogin } from "./login.ts";
import { statusOf } from "./status.ts";

/**
 * Runs an agent behind a gateway of its own. Checks the agent's program, the profile, the login and the host before it
 * starts anything.
 *
 * @returns the agent's exit code; 0 after `--help` and `--version`
 * @throws usage errors, `agent_missing`, `port_taken`, and what the credentials and the host throw
 */
export async function runAgent(given: Cli, agent: Agent, args: readonly string[]): Promise<number> {
  const program = `codemie-${agent.name}`;
  const asked = readAgentArgs(args, program, agent.own);
  return await runAsked(withIdentity(given, asked.idToken), agent, program, asked);
}

async function runAsked(outer: Cli, agent: Agent, program: string, asked: AgentArgs): Promise<number> {
  const { runtime } = outer;
  if (asked.help) {
    outer.output.text(helpText(outer, agent, program));
    return 0;
  }
  const binary = findProgram(agent.binary, runtime.env);
  if (asked.version) {
    const env = environmentForOthers(runtime, stores(runtime).profiles);
    const theirs = binary ? await versionOf(binary, env) : undefined;
    runtime.terminal.out(`${versionLine}\n${agent.binary} ${theirs ?? "not found on PATH"}\n`);
    return 0;
  }
  if (!binary) throw commandFailure.agentMissing(agent.title, agent.binary, installCommand(agent));
  const lastWordsOf = {
    stopped: lastWords(commandFailure.crashed(agent.title)),
    goesOn: lastWords(commandFailure.crashedAlone(agent.title)),
  };
  if (asked.isSubcommand) {
    const env = environmentForOthers(runtime, stores(runtime).profiles);
    return await runForeground([binary, ...asked.rest], env, lastWordsOf);
  }

  const reasoningEffort = effortFor(outer, agent, asked);
  const { vault, profiles } = stores(runtime);
  const repositoryProfile = await readRepositoryProfile(runtime.cwd);
  const config = await profiles.read();
  const resolved = resolveProfile(
    config,
    { profile: asked.profile, url: asked.baseUrl, model: asked.model, timeout: asked.timeout },
    runtime.env,
    repositoryProfile,
  );
  const port = portFor(runtime.env);
  const cli = forProfile(outer, resolved);
  const host = resolved.host.value;
  const ended = new AbortController();
  const given = await givenToRun(cli, asked, resolved);
  const login = { cli, vault, resolved, asked, browserEnv: environmentForOthers(runtime, profiles) };
  const credentials = given
    ? credentialsFor(cli, vault, resolved, given)
    : brokerFor(cli, vault, resolved, loginInMidRun(login, ended.signal));
  // A login that is unusable, and that nobody renews now, ends the run before anything starts.
  const first = given ? credentials : credentialsFor(cli, vault, resolved, given);
  const asking = { ...cli, runtime: { ...cli.runtime, fetch: whileWaiting(cli.runtime.fetch, loadGateway) } };
  const isRightVersion = checkVersion(agent, binary, login.browserEnv);
  isRightVersion.catch(() => undefined); // awaited below, beside what the host says
  if (!asked.silent) {
    warnOfShown(cli, asked);
    warnOfProvider(cli, agent, resolved);
  }
  const available = await withLogin(login, given, () => availableModels(asking, first, resolved));
  await isRightVersion;
  if (!asked.silent) await tellOfEnd(cli, first);
  const subject = await subjectOf(given, first);
  const models = modelsFor(cli, agent, available, resolved);
  if (!asked.silent) warnOfModel(cli, resolved.model?.value, models, available);

  const repository = await readRepository(runtime.cwd);
  const betas = betasOfRun(cli, agent, resolved, asked.silent);
  const { openGateway } = await loadGateway();
  const { trackRun } = await import("./tracking.ts");
  const tracking = await trackRun(cli, {
    agent,
    client: program,
    resolved,
    credentials: first,
    model: models.id,
    repository,
    isSilent: asked.silent,
    isGiven: given !== undefined,
  });
  let showLogin: LoginTold | undefined;
  const loginTold: LoginTold = (ended, lease) => {
    tracking?.loginTold(ended);
    showLogin?.(ended, lease);
  };
  const client = { name: program, model: models.id, repository, port, betasRefused: betas.refused, loginTold };
  const gateway = openGateway(cli, resolved, credentials, client);
  let run: Awaited<ReturnType<typeof makeRunFolder>> | undefined;
  let exit = 1;
  try {
    run = await makeRunFolder(runtime.home);
    showLogin = statusOf(run.folder, resolved.name, models.id);
    showLogin(undefined, await first.current());
    const {
      args: agentArgs,
      env,
      note,
      lastNote,
      cwd,
    } = await agent.start({
      gatewayUrl: gateway.url,
      gatewayKey: gateway.key,
      models,
      available,
      task: asked.task,
      reasoningEffort,
      resume: asked.resume,
      trustsFolder: asked.trustsFolder,
      cwd: runtime.cwd,
      betas: betas.on,
      isWatched: isTerminal("stdout"),
      args: asked.rest,
      program: binary,
      again: [program, ...againFlags(asked)].join(" "),
      home: runtime.home,
      folder: run.folder,
      env: withoutTokens(runtime.env, config),
      tracking,
    });
    if (note !== undefined && !asked.silent) cli.output.say.info(note);
    banner(cli, agent, asked, resolved, models.id);
    runtime.terminal.mask(gateway.key);
    // While the agent runs, the receiver gets the lines that earlier commands could not send.
    if (config.auditForward !== undefined) await forwardTrail(cli);
    const began = performance.now();
    const resume = runtime.terminal.stopCommands();
    const code = await runForeground([binary, ...agentArgs], env, { ...lastWordsOf, first: resume }, cwd).finally(() =>
      runtime.terminal.tellCi(resume),
    );
    exit = code;
    betas.tell();
    const last = asked.silent ? undefined : lastNote?.(code);
    if (last !== undefined) cli.output.say.info(last);
    const { forwarded, denied } = gateway.counts;
    if (ciLogOf(runtime.env)) {
      const { summarize } = await import("./job-summary.ts");
      const ended = { title: agent.title, model: models.id, requests: forwarded, ms: performance.now() - began, code };
      summarize(cli, ended, asked.silent);
    }
    const where = { profile: resolved.name, host: host.origin };
    const detail = {
      agent: agent.name,
      exit: code,
      requests: forwarded,
      ...subject,
    };
    await record(cli, vault, { event: "agent-run", ...where, outcome: "ok", detail });
    if (denied > 0)
      await record(cli, vault, { event: "request-denied", ...where, outcome: "denied", detail: { denied } });
    return code;
  } finally {
    ended.abort(failure.interrupted());
    await gateway.close();
    await run?.remove();
    await tracking?.end(exit, gateway.counts.forwarded);
  }
}

const loadGateway = () => import("../../../daemon/open-gateway.ts");

/** @returns a `fetch` that uses the time of each answer: once the request is on its way, it begins the work */
const whileWaiting =
  (fetch: Fetch, work: () => unknown): Fetch =>
  (...call) => {
    const answer = fetch(...call);
    work();
    return answer;
  };

/** The profile's model is for every agent: one that cannot speak to it uses another, and says so. @throws as `chooseModels` */
function modelsFor(
  { output }: Cli,
  agent: Agent,
  available: readonly Model[],
  { model, profile }: Resolved,
): AgentModels {
  const tiers = { haiku: profile.haikuModel, sonnet: profile.sonnetModel, opus: profile.opusModel };
  try {
    return agent.chooseModels(available, model?.value, tiers);
  } catch (error) {
    if ((model?.source !== "profile" && model?.source !== "repository") || !(error instanceof CodemieError))
      throw error;
    const models = agent.chooseModels(available, undefined, tiers);
    output.say.warn(`${error.message}, the profile's model: this run uses ${models.id}; --model names another`);
    return models;
  }
}

/** @returns the nearest level that the agent knows, and says so when that is another one */
function effortFor({ output }: Cli, agent: Agent, { reasoningEffort, silent }: AgentArgs): Effort | undefined {
  if (reasoningEffort === undefined) return undefined;
  const level = nearestEffort(reasoningEffort, agent.efforts);
  if (!silent && level !== reasoningEffort.toLowerCase()) {
    output.say.warn(
      level === undefined
        ? `${agent.title} has no setting for reasoning effort, so --reasoning-effort changes nothing`
        : `${agent.title} has no reasoning effort ${printable(reasoningEffort, 20)}, so ${level} is used`,
    );
  }
  return level;
}

/** Without them, a session would go on with another profile, and all that was said in it to another host. */
const againFlags = ({ profile, baseUrl }: AgentArgs): string[] => [
  ...(profile === undefined ? [] : ["--profile", quoted(profile)]),
  ...(baseUrl === undefined ? [] : ["--base-url", quoted(baseUrl)]),
];

const lastWords = ({ message, hint }: CodemieError) => `error: ${message}\nhint: ${hint}`;

/** Only warns about a provider whose API the agent does not speak: some compatible servers speak more than one. */
function warnOfProvider({ output }: Cli, agent: Agent, { profile }: Resolved): void {
  const provider = providerOf(profile.provider);
  const speaks: readonly string[] = provider ? providers[provider].speaks : [];
  if (!provider || speaks.includes(agent.speaks)) return;
  const { title } = providers[provider];
  output.say.warn(
    `${agent.title} needs the ${agent.speaks} API, which ${title} itself does not have; requests may be refused`,
  );
}

/** Only warns about a model that is not in the list: it may be an alias, and the host decides. */
function warnOfModel({ output }: Cli, wished: string | undefined, chosen: AgentModels, models: readonly Model[]): void {
  const { id, absent } = chosen;
  if (absent !== undefined) {
    output.say.warn(
      `this account has no ${absent} model, so ${printable(id ?? "another", 60)} is used (see codemie models)`,
    );
    return;
  }
  if (wished === undefined || id === undefined || models.length === 0 || models.some((model) => model.id === id))
    return;
  const ids = models.map((model) => model.id);
  const close = closest(id, ids, 3).map((one) => printable(one, 60));
  output.say.warn(
    `${printable(id, 60)} is not one of this account's models${close.length > 0 ? `; the nearest are ${close.join(", ")}` : ""} (see codemie models)`,
  );
}

function banner(
  { runtime, output }: Cli,
  agent: Agent,
  asked: AgentArgs,
  resolved: Resolved,
  model: string | undefined,
): void {
  if (asked.silent || asked.task !== undefined || !runtime.terminal.interactive) return;
  const parts = [agent.title, resolved.host.value.origin, `profile ${resolved.name}`, model && `model ${model}`];
  output.say.info(`${output.paint("accent", "codemie", "err")} · ${parts.filter(Boolean).join(" · ")}`);
}

function helpText({ output }: Cli, agent: Agent, program: string): string {
  const bold = (text: string) => output.paint("bold", text);
  return `Run ${agent.title} behind a local gateway; it never sees your credential

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
      --id-token SOURCE         use this job's own identity, no stored secret: github, env:NAME or file:PATH
      --audience AUD            whom the identity token is for, if not the host
      --issuer URL, --client-id ID, --scope 'A B'
                                exchange the identity token at this OpenID provider
      --reasoning-effort LEVEL  how much the model should think
      --resume [ID]             continue an earlier session
      --trust-folder            with --task: let this folder's own settings, hooks and servers take part
      --timeout SECONDS         longest wait for the first byte of an answer, 0 for ever
  -s, --silent                  no banner, no notes
      --version                 our version and the agent's
  -h, --help                    this help (${agent.binary}'s own: ${program} -- --help)

Everything else goes to ${agent.binary} untouched and in order; so do commands of its own, such as ${program} mcp list.

${bold("Examples")}
  ${program}
  ${program} --task "explain this repository"
  CODEMIE_JWT_TOKEN=… ${program} --base-url https://codemie.example.com --task "review the last commit"
  ${program} --trust-folder --task "run the tests and mend what fails"
`;
}
