import { brokerFor, callApi, credentialsFor, forProfile, listModels } from "../../../access/credentials.ts";
import { type CredentialFlags, type Given, givenToRun, warnOfShown } from "../../../access/given.ts";
import { stores } from "../../../access/stores.ts";
import { apiFailure } from "../../../api/failures.ts";
import type { BearerToken } from "../../../auth/bearer-token.ts";
import { expiryOf, type StoredLogin } from "../../../auth/credential.ts";
import type { Credentials } from "../../../auth/credentials.ts";
import { identityPlace } from "../../../auth/identity-source.ts";
import { describe } from "../../../auth/stored-login.ts";
import { asCodemieError, type CodemieError } from "../../../core/errors.ts";
import { when } from "../../../core/text.ts";
import { stoppableFetch } from "../../../platform/network.ts";
import type { Config } from "../../../profiles/config.ts";
import { methodOf, type Resolved, resolveProfile } from "../../../profiles/resolve.ts";
import type { Vault } from "../../../vault/vault.ts";
import { credentialArgs, readCredential, withIdentity } from "../../credential-flags.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";

/** `codemie profile status`. It exits with the highest exit code among the profiles' problems, 0 without one. */
export const profileStatus = (given: Cli) =>
  command({
    meta: { name: "status", description: "Show who is logged in, where, and until when" },
    examples: ["codemie profile status", "codemie profile status --all --offline", "codemie profile status --json"],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "profile to look at" },
      all: { type: "boolean", description: "every profile" },
      ...credentialArgs,
      offline: { type: "boolean", description: "do not ask the host" },
    },
    async run({ args }) {
      const cli = withIdentity(given, args["id-token"]);
      const { vault, profiles } = stores(cli.runtime);
      const config = await profiles.read();
      const asked = { ...readCredential(args), url: args.url };
      if (args.all && Object.values(asked).some((value) => value !== undefined)) throw commandFailure.oneProfileOnly();
      warnOfShown(cli, asked);
      const names = args.all ? Object.keys(config.profiles) : [args.profile];
      const found: Status[] = [];
      for (const name of names) {
        const status = statusOf(cli, vault, config, name, !args.offline, asked);
        found.push(await (args.all ? status.catch((error: unknown) => unusable(config, name ?? "", error)) : status));
      }
      const [single] = found;
      cli.output.result(args.all ? found.map(({ data }) => data) : single?.data, () =>
        found.flatMap((status, i) => [...(i > 0 ? [""] : []), ...linesOf(cli, status, args.all ?? false)]),
      );
      const problems = found.flatMap(({ problem }) => problem ?? []);
      if (!args.json) for (const problem of problems) cli.output.fail(problem);
      return Math.max(0, ...problems.map(({ exitCode }) => exitCode));
    },
  });

interface Status {
  readonly data: {
    profile: string;
    /** it is the one that commands use unless another is named */
    active: boolean;
    method: string;
    url: string;
    /** false also where nobody could say; `problem` tells */
    authenticated: boolean;
    user: { name: string; email: string } | null;
    /** ISO 8601 */
    loggedInAt: string | null;
    expiresAt: string | null;
    /** how the end is known: `token` states it, `estimate` assumes oauth2-proxy's default lifetime */
    expiresFrom: string | null;
    /** ids of the models the account may use; null when the host was not asked or did not list them */
    models: string[] | null;
    /** false: the host could not be asked, so whether it takes the login is unknown; null when it was not asked */
    reachable: boolean | null;
    /** why the login does not work, or could not be tried */
    problem: { code: string; message: string; hint: string | null } | null;
  };
  readonly problem: CodemieError | undefined;
  /** the token or key in use, in words, where it is no login of a person */
  readonly with?: string | undefined;
  /** how the login's tokens are bound to its key, in words; undefined for bearer tokens */
  readonly bound?: string | undefined;
  /** true: the login has a refresh token, so its end is that of one access token */
  readonly renews?: boolean | undefined;
  /** false: the host was not asked */
  readonly checked?: boolean;
}

/** The status of a profile that cannot be resolved, for example one of another service; `--all` shows it too. */
function unusable(config: Config, name: string, error: unknown): Status {
  const profile = config.profiles[name] ?? {};
  const url = profile.codeMieUrl ?? profile.baseUrl ?? "";
  const active = name === config.activeProfile;
  return withProblem({ profile: name, active, method: methodOf(profile), url, ...nobody }, asCodemieError(error));
}

/** How long a host may take to say who is logged in, ms: it is unreachable then. */
const askMs = 10_000;

const nobody = {
  authenticated: false,
  user: null,
  loggedInAt: null,
  expiresAt: null,
  expiresFrom: null,
  models: null,
  reachable: null,
  problem: null,
} as const;

/** @returns the status of a profile whose login does not work, or could not be tried */
function withProblem(data: Status["data"], error: CodemieError, more: Partial<Status> = {}): Status {
  const { code, message, hint = null } = error;
  return { ...more, data: { ...data, problem: { code, message, hint } }, problem: error };
}

/** True when nobody said whether the login works: the host did not answer, or has trouble of its own. */
const isUnanswered = (problem: CodemieError | undefined) =>
  problem !== undefined && (problem.exitCode === 5 || problem.code === "server_error");

/** True when nobody knows whether there is a login: the vault did not open, or the person did not say its passphrase. */
const isUnopened = ({ exitCode, code }: CodemieError) => exitCode === 6 || code === "interrupted";

async function statusOf(
  outer: Cli,
  vault: Vault,
  config: Config,
  name: string | undefined,
  online: boolean,
  asked: CredentialFlags & { readonly url: string | undefined },
): Promise<Status> {
  const runtime = { ...outer.runtime, fetch: stoppableFetch(outer.runtime.fetch, AbortSignal.timeout(askMs)) };
  const resolved = resolveProfile(config, { profile: name, url: asked.url }, runtime.env, {});
  const cli = forProfile({ ...outer, runtime }, resolved);
  const host = resolved.host.value;
  const given = await givenToRun(cli, asked, resolved);
  const credentials = credentialsFor(cli, vault, resolved, given);
  const here: Status["data"] = {
    profile: resolved.name,
    active: resolved.name === config.activeProfile,
    method: given && given.kind !== "key" ? "jwt" : methodOf(resolved.profile),
    url: host.origin,
    ...nobody,
  };
  try {
    // Show the stored login as it is: only a request to the host may renew it.
    const stored = async () => await brokerFor(cli, vault, resolved).stored();
    if (!given) await stored();
    const answer = online ? await ask(cli, credentials, resolved) : unasked;
    const login = given ? undefined : await stored();
    const known = login ? ofLogin(login) : ofGiven((await credentials.current()).bearer);
    const isRenewable = login?.method === "oidc" && login.refreshToken !== undefined;
    const expired = known.expiresAt !== null && known.expiresAt <= runtime.now() && !online && !isRenewable;
    const problem = answer.problem ?? (expired ? apiFailure.sessionEnded(host.origin, resolved.name) : undefined);
    const data = {
      ...here,
      ...known,
      expiresAt: known.expiresAt === null ? null : new Date(known.expiresAt).toISOString(),
      authenticated: problem === undefined,
      models: answer.models,
      reachable: online ? problem?.exitCode !== 5 : null,
    };
    const more = {
      with: withWhat(given, here.method),
      bound: login && boundWords(login),
      renews: isRenewable,
      checked: answer.checked,
    };
    return problem ? withProblem(data, problem, more) : { data, problem, ...more };
  } catch (error) {
    const problem = asCodemieError(error);
    return withProblem(here, problem, { with: given && withWhat(given, here.method) });
  }
}

/** How the tokens of a login are bound to its key (DPoP, RFC 9449). */
function boundWords(login: StoredLogin): string | undefined {
  if (login.method !== "oidc" || login.proofKey === undefined) return undefined;
  return login.bound && !login.unproved
    ? "the tokens, to a key in the vault (DPoP)"
    : "the refresh token, to a key in the vault (DPoP); the access token is a bearer token";
}

/** The status members that a stored login gives. */
function ofLogin(login: StoredLogin) {
  const { loggedInAt, method } = login;
  const { at, from } = expiryOf(login);
  const user = login.method === "api-key" ? null : { name: login.identity.name, email: login.identity.email };
  return { method, user, loggedInAt: new Date(loggedInAt).toISOString(), expiresAt: at, expiresFrom: from };
}

/** The status members that a bearer token gives; a key (no `bearer`) gives none. */
function ofGiven(bearer: BearerToken | undefined) {
  const at = bearer?.expiresAt ?? null;
  const user = bearer ? { name: bearer.name, email: bearer.email } : null;
  return { user, loggedInAt: null, expiresAt: at, expiresFrom: at === null ? null : "token" };
}

/** The host's answer; `checked`: it says whether it takes the credential. */
interface Asked {
  readonly models: string[] | null;
  readonly problem: CodemieError | undefined;
  readonly checked: boolean;
}

const unasked: Asked = { models: null, problem: undefined, checked: false };

/** Asks the host who is logged in, which decides whether the login works, and for the models, which may fail. */
async function ask(cli: Cli, credentials: Credentials, whose: Resolved): Promise<Asked> {
  const isProvider = whose.host.value.kind === "provider";
  try {
    if (isProvider) {
      const models = await listModels(cli, credentials, whose);
      return { models: models.map(({ id }) => id), problem: undefined, checked: true };
    }
    return await callApi(cli, credentials, whose.host.value, async (api) => {
      const [user, models] = await Promise.allSettled([api.user(), api.models()]);
      if (user.status === "rejected") throw user.reason;
      const ids = models.status === "fulfilled" ? models.value.map(({ id }) => id) : null;
      return { models: ids, problem: undefined, checked: true };
    });
  } catch (error) {
    const problem = asCodemieError(error);
    // A provider without a list of models says nothing about the key; the named model may work.
    const isUnlisted = problem.code === "server_error" || problem.code === "wrong_base_url";
    if (isProvider && whose.model && isUnlisted) return unasked;
    return { models: null, problem, checked: true };
  }
}

/** Names the token or key in use: a person may not know that their shell or an old file holds one. */
function withWhat(given: Given | undefined, method: string): string | undefined {
  if (!given) return { jwt: "a stored bearer token", "api-key": "a stored API key" }[method];
  if (given.kind === "identity") return `the identity token of ${identityPlace(given.source)}, stored nowhere`;
  const shell = "in this shell's environment, stored nowhere";
  if (given.kind !== "key")
    return given.variable ? `a bearer token from ${given.variable} ${shell}` : "a bearer token, stored nowhere";
  return given.from === "run"
    ? `an API key from CODEMIE_API_KEY ${shell}`
    : "an API key from the configuration file, in clear text";
}

function headingOf({ output }: Cli, { data, checked, problem }: Status): string {
  if (data.authenticated && checked) return `${output.paint("good", "✓ logged in")} to ${data.url}`;
  if (data.authenticated) return `· a stored login for ${data.url}, not checked now`;
  if (problem && isUnopened(problem))
    return `${output.paint("warn", "!")} a login for ${data.url}, if there is one, cannot be opened now`;
  return isUnanswered(problem)
    ? `${output.paint("warn", "!")} a login for ${data.url}, which cannot be checked now`
    : `${output.paint("bad", "✗ not logged in")} to ${data.url}`;
}

function linesOf(cli: Cli, status: Status, isOneOfMany: boolean): string[] {
  const { runtime, output } = cli;
  const { data, with: stand } = status;
  const now = runtime.now();
  const row = (label: string, value: string) => `  ${output.paint("dim", label.padEnd(8))} ${value}`;
  const lines = [
    headingOf(cli, status),
    row("profile", isOneOfMany && data.active ? `${data.profile}, the active one` : data.profile),
  ];
  if (stand) lines.push(row("with", stand));
  if (data.user) lines.push(row("user", describe({ id: "", ...data.user })));
  if (status.bound) lines.push(row("bound", status.bound));
  if (data.loggedInAt) lines.push(row("since", when(Date.parse(data.loggedInAt), now)));
  if (data.user && data.authenticated) {
    lines.push(row("until", data.expiresAt ? when(Date.parse(data.expiresAt), now) : "unknown"));
    const why = {
      estimate: "(estimated: 7 days from its issue; the host decides)",
      token: undefined,
    };
    const note =
      status.renews && data.expiresAt !== null
        ? "(it renews itself)"
        : data.expiresFrom === null
          ? "(it does not say when it ends; the host decides)"
          : why[data.expiresFrom as keyof typeof why];
    if (note) lines.push(output.paint("dim", `           ${note}`));
  }
  if (data.models) lines.push(row("models", `${data.models.length} (see codemie models)`));
  return lines;
}
