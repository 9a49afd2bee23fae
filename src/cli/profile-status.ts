import type { Broker } from "../auth/broker.ts";
import { type StoredLogin, sessionExpiry } from "../auth/credential.ts";
import { currentLogin, describe } from "../auth/login.ts";
import { asCodemieError, type CodemieError, failure } from "../core/errors.ts";
import type { Config } from "../profiles/config.ts";
import { resolveProfile } from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";
import { type Cli, command, stores } from "./command.ts";
import { when } from "./output.ts";
import { brokerFor, callApi } from "./session.ts";

export const profileStatus = (cli: Cli) =>
  command({
    meta: { name: "status", description: "Show who is logged in, where, and until when" },
    examples: ["codemie profile status", "codemie profile status --all --offline", "codemie profile status --json"],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "profile to look at" },
      all: { type: "boolean", description: "every profile" },
      offline: { type: "boolean", description: "do not ask the host" },
    },
    async run({ args }) {
      const { vault, profiles } = stores(cli.runtime);
      const config = await profiles.read();
      const names = args.all ? Object.keys(config.profiles) : [args.profile];
      const found: Status[] = [];
      for (const name of names) found.push(await statusOf(cli, vault, config, name, !args.offline));
      const [single] = found;
      cli.output.result(args.all ? found.map(({ data }) => data) : single?.data, () =>
        found.flatMap((status, i) => (i > 0 ? ["", ...linesOf(cli, status)] : linesOf(cli, status))),
      );
      const problems = found.flatMap(({ problem }) => problem ?? []);
      if (!args.json) for (const problem of problems) cli.output.fail(problem);
      return Math.max(0, ...problems.map(({ exitCode }) => exitCode));
    },
  });

interface Status {
  readonly data: {
    profile: string;
    method: string;
    url: string;
    authenticated: boolean;
    user: { name: string; email: string } | null;
    /** ISO 8601 */
    loggedInAt: string | null;
    expiresAt: string | null;
    /** how the end is known: `estimate` from the front's default lifetime */
    expiresFrom: string | null;
    /** ids of the models the account may use; null when the host was not asked */
    models: string[] | null;
  };
  readonly problem: CodemieError | undefined;
}

async function statusOf(
  cli: Cli,
  vault: Vault,
  config: Config,
  name: string | undefined,
  online: boolean,
): Promise<Status> {
  const { runtime } = cli;
  const resolved = resolveProfile(config, { profile: name }, runtime.env, {});
  const host = resolved.host.value;
  const none = { profile: resolved.name, method: "sso", url: host.origin, authenticated: false, user: null };
  const unknown = { loggedInAt: null, expiresAt: null, expiresFrom: null, models: null };
  let login: StoredLogin;
  try {
    login = await currentLogin(vault, resolved.name, host);
  } catch (error) {
    return { data: { ...none, ...unknown }, problem: asCodemieError(error) };
  }
  const broker = brokerFor(cli, vault, resolved);
  const asked = online ? await ask(cli, broker) : { models: null, problem: undefined };
  if (online) login = await currentLogin(vault, resolved.name, host);
  const expiry = sessionExpiry(login.cookies);
  const expired = !online && expiry.at !== null && expiry.at <= runtime.now();
  return {
    data: {
      ...none,
      authenticated: asked.problem === undefined && !expired,
      user: { name: login.identity.name, email: login.identity.email },
      loggedInAt: new Date(login.loggedInAt).toISOString(),
      expiresAt: expiry.at === null ? null : new Date(expiry.at).toISOString(),
      expiresFrom: expiry.from,
      models: asked.models,
    },
    problem: asked.problem ?? (expired ? failure.sessionEnded(host.origin) : undefined),
  };
}

/** Asks the host who we are and what we may use; the models are an extra, the person decides. */
async function ask(cli: Cli, broker: Broker): Promise<{ models: string[] | null; problem: CodemieError | undefined }> {
  try {
    return await callApi(cli, broker, async (api) => {
      const [user, models] = await Promise.allSettled([api.user(), api.models()]);
      if (user.status === "rejected") throw user.reason;
      return { models: models.status === "fulfilled" ? models.value.map(({ id }) => id) : null, problem: undefined };
    });
  } catch (error) {
    return { models: null, problem: asCodemieError(error) };
  }
}

function linesOf({ runtime, output }: Cli, { data }: Status): string[] {
  const now = runtime.now();
  const mark = data.authenticated ? output.paint("good", "✓ logged in") : output.paint("bad", "✗ not logged in");
  const row = (label: string, value: string) => `  ${output.paint("dim", label.padEnd(8))} ${value}`;
  const lines = [`${mark} to ${data.url}`, row("profile", data.profile)];
  if (data.user) lines.push(row("user", describe({ id: "", ...data.user })));
  if (data.loggedInAt) lines.push(row("since", when(Date.parse(data.loggedInAt), now)));
  if (data.user) {
    lines.push(
      row("until", data.expiresAt ? `${when(Date.parse(data.expiresAt), now)}` : "unknown"),
      output.paint(
        "dim",
        data.expiresAt
          ? "           (an estimate: 7 days from its issue, the usual time; the host decides)"
          : "           (the session does not say when it was issued; the host decides)",
      ),
    );
  }
  if (data.models) lines.push(row("models", `${data.models.length} (see codemie models)`));
  return lines;
}
