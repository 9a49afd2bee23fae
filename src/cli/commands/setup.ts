import { record, recorded } from "../../access/audit.ts";
import { brokerFor } from "../../access/credentials.ts";
import { endLogin, endReplaced, endUnkept } from "../../access/end-login.ts";
import { stores, storesToChange } from "../../access/stores.ts";
import { readApiKey } from "../../auth/api-key.ts";
import { describe, previousLogin } from "../../auth/stored-login.ts";
import { Secret } from "../../core/secret.ts";
import { version } from "../../core/version.ts";
import { stoppableFetch } from "../../platform/network.ts";
import { back, realPrompts } from "../../platform/prompts.ts";
import { stopSignal } from "../../platform/signals.ts";
import { providerName, providerNames, providers } from "../../profiles/providers.ts";
import { type Method, methods } from "../../profiles/resolve.ts";
import { integration, model, name, project } from "../../setup/choices.ts";
import { credential } from "../../setup/credential.ts";
import { type Draft, type SetupContext, type SetupFlags, walk } from "../../setup/draft.ts";
import { save } from "../../setup/save.ts";
import { api, base, client, how, provider, where, which } from "../../setup/where.ts";
import type { Vault } from "../../vault/vault.ts";
import { readCallback } from "../callback-flags.ts";
import { clientArgs, readClientProof } from "../client-flags.ts";
import { cliFailure } from "../failures.ts";
import { type Cli, command } from "../frame/command.ts";
import { callbackArgs, dialogueOf, loginOptionsOf, standardTime } from "../frame/login-dialogue.ts";
import { allAgents } from "./agent/agents.ts";
import { commandFailure } from "./failures.ts";

const steps = [which, where, api, base, how, provider, client, credential, project, integration, model, name];

/** `codemie setup`: takes each value from a flag or asks for it; stores profile and new login after the last step. */
export const setup = (cli: Cli) =>
  command({
    meta: { name: "setup", description: "Set up a profile: where the models are, and how to log in" },
    examples: [
      "codemie setup",
      "codemie setup --method sso --url https://codemie.example.com --project team-alpha --yes",
      "codemie setup --method jwt --url https://codemie.example.com --token-env CI_TOKEN --yes",
      "codemie setup --method api-key --provider openai --key-stdin --yes < key.txt",
    ],
    args: {
      method: { type: "string", valueHint: "METHOD", description: "sso, oidc, jwt or api-key" },
      url: { type: "string", valueHint: "URL", description: "CodeMie host, or base URL of a model API" },
      profile: { type: "string", valueHint: "NAME", description: "profile to set up, or to change" },
      project: { type: "string", valueHint: "NAME", description: "project that model calls count for" },
      model: { type: "string", valueHint: "ID", description: "model to use" },
      "token-env": { type: "string", valueHint: "NAME", description: "variable that will hold the bearer token" },
      "token-stdin": { type: "boolean", description: "store the bearer token that standard input holds" },
      "key-stdin": { type: "boolean", description: "store the API key that standard input holds" },
      provider: { type: "string", valueHint: "NAME", description: `for an API key: ${providerNames.join(", ")}` },
      issuer: { type: "string", valueHint: "URL", description: "log in at this OpenID provider" },
      "client-id": { type: "string", valueHint: "ID", description: "our client ID at that provider" },
      scope: { type: "string", valueHint: "'A B'", description: "scopes to request there" },
      device: { type: "boolean", description: "log in with a device code, without a browser on this machine" },
      ...callbackArgs,
      ...clientArgs,
      browser: { type: "boolean", default: true, negativeDescription: "print the URL instead of opening a browser" },
      timeout: { type: "string", valueHint: "SECONDS", description: `give up a login after this time${standardTime}` },
      yes: { type: "boolean", alias: "y", description: "ask nothing: use the flags and the defaults" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const { vault, profiles } = stores(runtime);
      const method = readMethod(args.method);
      const provider = args.provider === undefined ? undefined : providerName.safeParse(args.provider).data;
      if (args.provider !== undefined && !provider) {
        throw cliFailure.noSuch("provider", args.provider, providerNames);
      }
      if (args["key-stdin"] && args["token-stdin"]) throw commandFailure.keyAndToken();
      const input = args["key-stdin"] || args["token-stdin"] ? await secretInput(cli) : undefined;
      const flags: SetupFlags = {
        profile: args.profile,
        method: method ?? (args["key-stdin"] || provider ? "api-key" : args["token-stdin"] ? "jwt" : undefined),
        url: args.url,
        provider,
        client: {
          ...(args.issuer === undefined ? {} : { issuer: args.issuer }),
          ...(args["client-id"] === undefined ? {} : { clientId: args["client-id"] }),
          ...(args.scope === undefined ? {} : { scope: args.scope }),
          ...(args.dpop ? { dpop: true } : {}),
          ...readCallback(args["callback-host"], args["callback-port"]),
          ...(await readClientProof(args, runtime)),
        },
        device: args.device ?? false,
        ...loginOptionsOf(args, runtime.env),
        project: args.project,
        model: args.model,
        tokenEnv: args["token-env"],
        token: args["token-stdin"] && input !== undefined ? new Secret(input) : undefined,
        key: args["key-stdin"] && input !== undefined ? readApiKey(input) : undefined,
      };
      // A secret came on standard input, so nobody can answer questions there.
      const asks = runtime.terminal.interactive && !args.yes && !args.json && input === undefined;
      const stop = stopSignal();
      const config = await profiles.read();
      const context: SetupContext = {
        runtime: {
          ...runtime,
          fetch: stoppableFetch(runtime.fetch, stop),
          secretVariables: [args["client-secret-env"], args["token-env"]].filter((name) => name !== undefined),
        },
        version,
        vault,
        profiles,
        config,
        flags,
        prompts: asks ? await realPrompts(stop, runtime.terminal.unicode) : undefined,
        typed: new Map(),
        tell: { good: (text) => output.say.success(text), note: (text) => output.say.warn(text) },
        during: (text, work) => output.during(text, work),
        dialogue(origin) {
          const dialogue = dialogueOf(cli, origin, asks ? back : undefined);
          const { readPaste } = dialogue;
          if (!readPaste) return dialogue;
          return { ...dialogue, readPaste: (...line) => lend(context, () => readPaste(...line)) };
        },
        stored(name, host) {
          const profile = config.profiles[name] ?? {};
          return brokerFor(cli, vault, { name, profile, host: { value: host, source: "profile" } });
        },
        stop,
        proved: [],
        canGoBack: false,
      };
      context.prompts?.intro("codemie setup · Escape goes back, Ctrl-C leaves everything as it was");
      let kept: Draft | undefined;
      try {
        const draft = await walk(steps, { before: {} }, context);
        const where = { profile: draft.name ?? "", host: draft.host?.origin ?? "" };
        const detail = { what: "setup", method: draft.method ?? "" };
        const { name: saved, kept: damaged } = await recorded(
          cli,
          vault,
          { event: "config-changed", ...where, detail },
          async () => {
            await storesToChange(runtime);
            const before = draft.name === undefined ? undefined : await previousLogin(vault, draft.name);
            const outcome = await save(draft, profiles, context, args.yes ?? false);
            if (draft.held && !draft.held.passing) await endReplaced(cli, before, draft.held.login);
            kept = draft;
            await endFormerLogin(cli, vault, draft);
            return outcome;
          },
        );
        if (draft.held && !draft.held.passing) {
          const { login } = draft.held;
          const person = login.method === "api-key" ? {} : { person: describe(login.identity) };
          const detail = { method: login.method, ...person };
          await record(cli, vault, { event: "login", ...where, outcome: "ok", detail });
        }
        if (damaged) output.say.warn(`the stored login was damaged and is kept as ${damaged}`);
        await report(cli, saved, draft);
      } finally {
        context.prompts?.end();
        await endUnkeptOf(cli, vault, context, kept);
      }
    },
  });

const lend = ({ prompts }: SetupContext, work: () => Promise<void>) => (prompts ? prompts.lend(work) : work());

/** Ends the logins made in this run that were not stored: going back, or giving up, leaves some. */
async function endUnkeptOf({ runtime }: Cli, vault: Vault, { proved }: SetupContext, saved: Draft | undefined) {
  const made = proved.flatMap(({ after }) => after.held?.login ?? []);
  if (made.length === 0) return;
  const stored = await Promise.all(
    Object.keys((await stores(runtime).profiles.read()).profiles).map((name) => previousLogin(vault, name)),
  );
  await endUnkept(runtime, made, [...stored, saved?.held?.login]);
}

/** Ends a login of another method or host: it must not come back when the profile's own login is missing. */
async function endFormerLogin(cli: Cli, vault: Vault, { name, method, host, held, keeps }: Draft): Promise<void> {
  if (name === undefined || keeps !== undefined || (held && !held.passing)) return;
  const before = await previousLogin(vault, name);
  if (before === undefined || before === "damaged") return;
  // A token in a variable replaces a stored one, too.
  if (before.method === method && before.origin === host?.origin && method !== "jwt") return;
  const { removed } = await endLogin(cli, vault, name);
  if (removed) cli.output.say.info(`the former login of profile ${name} is removed`);
}

/** Reads a secret from standard input: all of it, or at a terminal one line, without echo. */
async function secretInput({ runtime: { terminal } }: Cli): Promise<string> {
  if (!terminal.interactive) return await terminal.readAll();
  return await terminal.readLine({
    prompt: "paste the secret and press Enter (it stays hidden): ",
    echo: false,
    signal: stopSignal(),
  });
}

function readMethod(text: string | undefined): Method | undefined {
  const known = methods.find((method) => method === text);
  if (text !== undefined && !known) throw cliFailure.noSuch("method", text, methods);
  return known;
}

async function report({ output }: Cli, profile: string, draft: Draft): Promise<void> {
  const { host, method, project, model, tokenEnv, provider } = draft;
  const data = {
    profile,
    method: method ?? null,
    url: host?.kind === "provider" ? host.api : (host?.origin ?? null),
    provider: provider ?? null,
    project: project ?? null,
    model: model ?? null,
    tokenEnv: tokenEnv ?? null,
  };
  const speaks: readonly string[] | undefined = provider && providers[provider].speaks;
  const agents = await allAgents();
  const agent = agents.find((one) => speaks === undefined || speaks.includes(one.speaks));
  output.result(data, () => {
    const lines = [`${output.paint("good", "✓")} profile ${profile} is set up, and the active one`];
    if (method === "jwt" && tokenEnv) {
      lines.push(
        `  before a run, put the token into ${tokenEnv}; it is stored nowhere`,
        `  for example: ${tokenEnv}=… codemie-claude --task "say hello"`,
      );
    } else if (agent) lines.push(`  try it: codemie-${agent.name} --task "say hello"`);
    else
      lines.push(
        "  try it: codemie models",
        "  codemie proxy start: a local address for a program that speaks its API",
      );
    return lines;
  });
}
