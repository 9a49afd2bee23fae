import { readApiKey } from "../auth/api-key.ts";
import { isBearerToken, readBearerToken } from "../auth/bearer-token.ts";
import { callWith } from "../auth/call.ts";
import { loginRecord, type StoredLogin, storedLogin } from "../auth/credential.ts";
import { pages } from "../auth/login/callback-page.ts";
import { logIn } from "../auth/login/index.ts";
import { lackOf } from "../auth/login/oidc.ts";
import { describe, proveBearer } from "../auth/stored-login.ts";
import { CodemieError, failure } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { pastedSecret } from "../core/pasted.ts";
import { Secret } from "../core/secret.ts";
import { back } from "../platform/prompts.ts";
import { variableName } from "../profiles/config.ts";
import { environmentForOthers } from "../profiles/environment.ts";
import { type ProviderName, providers } from "../profiles/providers.ts";
import { type Method, tokenVariable } from "../profiles/resolve.ts";
import { usualName } from "./choices.ts";
import { type Draft, type SetupContext, type SetupStep, untilItWorks } from "./draft.ts";
import { findEndpoint } from "./endpoint.ts";
import { setupFailure } from "./failures.ts";

/** The credential: a login, a token or a key. The host or provider proves it before anything is stored. */
export const credential: SetupStep = async (draft, context) => {
  const { host, method } = draft;
  if (!host || !method) return draft;
  const { prompts, flags } = context;
  refuseOthers(method, context);
  const proved = context.proved.findLast(({ before }) => isSameLogin(before, draft));
  if (proved?.after.held && prompts) {
    const { login } = proved.after.held;
    const keep = await prompts.confirm(`Keep ${wordsFor(login, "the key of a moment ago")}?`, true);
    if (keep === back) return back;
    const { held, host: found, provider: named, models } = proved.after;
    if (keep)
      return {
        ...draft,
        held,
        ...(found && { host: found }),
        ...(named && { provider: named }),
        ...(models && { models }),
      };
  }
  const stored = await storedFor(draft, host, context);
  if (stored && !flags.token && !flags.tokenEnv && !flags.key) {
    const { login } = stored;
    const keep = prompts ? await prompts.confirm(`Keep ${wordsFor(login, "the stored key")}?`, true) : true;
    if (keep === back) return back;
    const kept = keep ? await keeping(draft, stored.name, login, context) : undefined;
    if (kept) return kept;
  }
  // A login or a key that cannot be stored would be a person's work for nothing.
  if (method !== "jwt" || flags.token) await context.vault.prepare();
  const next = await untilItWorks(context, async (here) => {
    switch (method) {
      case "sso":
      case "oidc":
        return await loggingIn(draft, host, here).catch((error: unknown) => {
          if (error !== back) throw error;
          if (here.canGoBack) return back;
          throw failure.interrupted();
        });
      case "jwt":
        return await withToken(draft, host, here);
      case "api-key":
        return await withKey(draft, host, here);
    }
  });
  if (next !== back && next.held && !next.held.passing) context.proved.push({ before: draft, after: next });
  return next;
};

const wordsFor = (login: StoredLogin, key: string) =>
  login.method === "api-key" ? key : `the login of ${describe(login.identity)}`;

/** True when a login proved for one draft is what the other one asks for. */
const isSameLogin = (a: Draft, b: Draft) =>
  a.method === b.method &&
  a.host?.api === b.host?.api &&
  a.provider === b.provider &&
  Bun.deepEquals(a.client, b.client);

/** Refuses a token or key that this method does not use: ignoring it would lose it silently. */
function refuseOthers(method: Method, { flags }: SetupContext): void {
  if (flags.token && method !== "jwt") throw setupFailure.loginOfOther("--token-stdin", method);
  if (flags.tokenEnv && method !== "jwt") throw setupFailure.loginOfOther("--token-env", method);
  if (flags.key && method !== "api-key") throw setupFailure.loginOfOther("--key-stdin", method);
}

/** The login that the profile already has, if it fits the draft: same method, host, provider and client. */
async function storedFor(
  draft: Draft,
  host: Host,
  context: SetupContext,
): Promise<{ name: string; login: StoredLogin } | undefined> {
  const { method, provider, client } = draft;
  const name = usualName(draft, context);
  const login = await context.vault.read(loginRecord(name), storedLogin).catch(() => undefined);
  if (!login || login.method !== method || login.origin !== host.origin) return undefined;
  if (login.method === "api-key" && login.provider !== provider) return undefined;
  const sameClient =
    login.method !== "oidc" ||
    (login.issuer === client?.issuer &&
      login.clientId === client.clientId &&
      (login.proofKey !== undefined) === (client.dpop === true));
  return sameClient ? { name, login } : undefined;
}

/** Tries the stored login. @returns the draft that keeps it, or undefined when the host or provider refused it */
async function keeping(
  draft: Draft,
  name: string,
  login: StoredLogin,
  context: SetupContext,
): Promise<Draft | undefined> {
  const { runtime, version, tell, during } = context;
  const { host } = draft;
  if (!host) return undefined;
  try {
    if (login.method === "api-key") {
      const found = await triedKey(draft, host, login.provider, new Secret(login.key), context);
      return { ...draft, ...found, provider: login.provider, keeps: name };
    }
    const who = () => callWith(context.stored(name, host), runtime, version, (api) => api.user());
    await during(`asking ${host.origin} about the login`, who);
    tell.good(`logged in as ${describe(login.identity)}`);
    return { ...draft, keeps: name };
  } catch (error) {
    if (!(error instanceof CodemieError) || error.exitCode > 5) throw error;
    tell.note(error.message);
    // Drop a credential only if it was refused (exit code 4); the network may be back tomorrow.
    return error.exitCode === 4 ? undefined : { ...draft, keeps: name };
  }
}

async function loggingIn(draft: Draft, host: Host, context: SetupContext): Promise<Draft> {
  const { flags, runtime, version, stop, tell } = context;
  const { timeoutMs, mayOpenBrowser, unusedFlags, device } = flags;
  const client = draft.client && { ...draft.client, ...(device ? { device } : {}) };
  const dialogue = context.dialogue(host.origin);
  const browserEnv = environmentForOthers(runtime, context.profiles);
  const person = { runtime, dialogue, timeoutMs, mayOpenBrowser, unusedFlags, browserEnv, stop };
  const options = { host, version, client, device, ...person };
  const login = await logIn(options, async (login) => ({
    result: login,
    page: pages.loggedInMidSetup(describe(login.identity), login.origin),
    isDoubtful: true, // a question about the person may follow
  }));
  tell.good(`logged in as ${describe(login.identity)}`);
  const lack = lackOf(login);
  if (lack) tell.note(lack);
  return { ...draft, ...(client ? { client } : {}), held: { login, passing: false } };
}

/** Keeps the token of `--token-stdin` for storing; otherwise only the name of the variable that will hold a token. */
async function withToken(draft: Draft, host: Host, context: SetupContext): Promise<Draft | typeof back> {
  const { flags, runtime, prompts, tell } = context;
  if (flags.token) {
    const login = await prove(host, flags.token, context);
    return { ...draft, held: { login, passing: false } };
  }
  let name = flags.tokenEnv ?? draft.before.jwtConfig?.tokenEnvVar;
  if (flags.tokenEnv === undefined && prompts) {
    const answer = await prompts.nameOrSecret(
      "Variable that will hold the token, or the token itself (it stays hidden)",
      {
        standard: name ?? tokenVariable,
        check: (value) =>
          variableName.test(value) || isBearerToken(pastedSecret(value))
            ? undefined
            : "a variable has letters, digits and underscores; a token has three parts with dots between them",
      },
    );
    if (answer === back) return back;
    if (!variableName.test(answer)) return await withPasted(draft, host, new Secret(answer), context);
    name = answer;
  }
  name ??= tokenVariable;
  if (!variableName.test(name)) throw setupFailure.notAVariable();
  const text = runtime.env[name];
  if (!text) {
    tell.note(`${name} is not set now, so the token could not be tried`);
    return { ...draft, tokenEnv: name };
  }
  const login = await prove(host, new Secret(text), context);
  return { ...draft, tokenEnv: name, held: { login, passing: true } };
}

/** Offers to store a token that the person pasted; a no asks the question again. */
async function withPasted(
  draft: Draft,
  host: Host,
  token: Secret,
  context: SetupContext,
): Promise<Draft | typeof back> {
  const login = await prove(host, token, context);
  const stores = await context.prompts?.confirm("Store the token in the vault, sealed, until it ends?", true);
  return stores === true ? { ...draft, held: { login, passing: false } } : await withToken(draft, host, context);
}

async function prove(host: Host, given: Secret, { runtime, version, during, tell }: SetupContext) {
  const { token } = readBearerToken(given.reveal(), runtime.now());
  const login = await during(`trying the token at ${host.origin}`, () => proveBearer(host, token, runtime, version));
  tell.good(`the token is ${describe(login.identity)}'s`);
  return login;
}

async function withKey(draft: Draft, host: Host, context: SetupContext): Promise<Draft | typeof back> {
  const { flags, runtime, prompts } = context;
  const { provider } = draft;
  if (!provider) throw setupFailure.needsProvider();
  let key = flags.key;
  if (!key) {
    if (!prompts) throw setupFailure.needsKey();
    const answer = await prompts.secret(`API key of ${providers[provider].title} (it stays hidden)`);
    if (answer === back) return back;
    key = readApiKey(answer);
  }
  const found = await triedKey(draft, host, provider, key, context);
  const login: StoredLogin = {
    method: "api-key",
    origin: found.host.origin,
    provider,
    key: key.reveal(),
    loggedInAt: runtime.now(),
    confirmedAt: runtime.now(),
  };
  return { ...draft, ...found, held: { login, passing: false } };
}

/**
 * Tries a key by listing the provider's models. Without a list, set-up goes on if a model is named or the person wants it.
 *
 * @returns the members of the draft that this brings
 * @throws as {@link findEndpoint}; `server_error` when there is no list and it must not go on
 */
async function triedKey(
  { before }: Draft,
  host: Host,
  provider: ProviderName,
  key: Secret,
  { runtime, flags, prompts, tell, during }: SetupContext,
): Promise<Pick<Draft, "models" | "lacksList"> & { readonly host: Host }> {
  const find = () => findEndpoint(host.api, provider, key, runtime);
  const found = await during(`trying the key at ${host.origin}`, find);
  if ("models" in found) {
    tell.good(
      `the key works at ${found.host.api}: ${found.models.length} model${found.models.length === 1 ? "" : "s"}`,
    );
    return { ...found, lacksList: false };
  }
  const { lacksList: error } = found;
  const isNamed = (flags.model ?? before.model) !== undefined;
  const goesOn = prompts
    ? await prompts.confirm(`${error.message}. Go on without a list of models?`, isNamed)
    : isNamed;
  if (goesOn !== true) throw error;
  tell.note(`${error.message}; so the key could not be tried, and the API is taken to be at ${found.host.api}`);
  return { host: found.host, lacksList: true };
}
