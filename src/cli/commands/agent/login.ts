import { recorded } from "../../../access/audit.ts";
import type { Given } from "../../../access/given.ts";
import type { LoginDialogue } from "../../../auth/login/browser.ts";
import type { ForeignEnv } from "../../../core/env.ts";
import { CodemieError } from "../../../core/errors.ts";
import { version } from "../../../core/version.ts";
import { browserFor } from "../../../platform/browser.ts";
import { untilStopped } from "../../../platform/signals.ts";
import { methodOf, type Resolved, usableHostOf } from "../../../profiles/resolve.ts";
import type { Vault } from "../../../vault/vault.ts";
import type { Cli } from "../../frame/command.ts";
import type { AgentArgs } from "./args.ts";

/** How long a login for a run may take, ms. In mid-run the agent waits for it. */
const loginMs = 120_000;

/** The run that needs a login. */
export interface LoginForRun {
  readonly cli: Cli;
  readonly vault: Vault;
  readonly resolved: Resolved;
  readonly asked: AgentArgs;
  /** what the browser may see of the environment */
  readonly browserEnv: ForeignEnv;
}

/**
 * Runs the first work with the credential, before the agent starts. If the profile's login is missing or over and a
 * person watches, they log in now, through the browser, and the work runs once more.
 *
 * @param given the credential given for this run; nobody can log in instead of it
 * @returns the result of `work`
 * @throws as `work`; as a login
 */
export async function withLogin<T>(run: LoginForRun, given: Given | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isMissing = error instanceof CodemieError && (error.code === "auth_needed" || error.code === "auth_expired");
    if (!isMissing || given !== undefined || !isWatched(run) || !logsInByBrowser(run.resolved)) throw error;
    run.cli.output.say.info(error.message);
    await logInNow(run);
    return await work();
  }
}

/** True when a person reads what we print, and can answer. In CI a terminal may be there all the same. */
function isWatched({ cli: { runtime, output }, asked }: LoginForRun): boolean {
  return runtime.terminal.interactive && !asked.silent && !output.json && !runtime.env.CI;
}

/** True for the profile's own host: a host of the environment may not send the person to a login of its own. */
function logsInByBrowser({ profile, host }: Resolved): boolean {
  const method = methodOf(profile);
  return (method === "sso" || method === "oidc") && usableHostOf(profile)?.origin === host.value.origin;
}

async function logInNow({ cli, vault, resolved, browserEnv }: LoginForRun): Promise<void> {
  const { dialogueOf } = await import("../../frame/login-dialogue.ts");
  const { loginToRun } = await import("../../../auth/login/again.ts");
  const { describe } = await import("../../../auth/stored-login.ts");
  const { origin } = resolved.host.value;
  await vault.prepare();
  const login = await untilStopped((stop) => {
    const device = resolved.profile.oidc?.device;
    const asked = requestFor(resolved, dialogueOf(cli, origin), browserEnv, stop);
    const request = { ...asked, device, runtime: cli.runtime };
    return recorded(
      cli,
      vault,
      { event: "login", profile: resolved.name, host: origin },
      () => loginToRun(vault, resolved.name, request),
      (login) => ({ method: login.method, person: describe(login.identity) }),
    );
  });
  cli.output.say.success(`logged in as ${describe(login.identity)}`);
}

/**
 * When the session ends in the middle of an interactive run, the browser asks for a new login while the agent waits.
 * The screen is the agent's, so the login prints nothing, and reads nothing from the terminal.
 *
 * @param stop ends the login
 * @returns the login, or undefined when no browser can open or nobody watches: no terminal, or `--task`
 */
export function loginInMidRun(
  { cli, vault, resolved, asked, browserEnv }: LoginForRun,
  stop: AbortSignal,
): (() => Promise<void>) | undefined {
  const { runtime } = cli;
  const watched = runtime.terminal.interactive && asked.task === undefined;
  if (!watched || browserFor(runtime.env).kind === "none") return undefined;
  const silent = { atUrl: () => undefined, atCode: () => undefined, note: () => undefined };
  const request = { ...requestFor(resolved, silent, browserEnv, stop), runtime };
  const fact = { event: "refresh", profile: resolved.name, host: resolved.host.value.origin } as const;
  return async () => {
    const { loginAgain } = await import("../../../auth/login/again.ts");
    await recorded(cli, vault, fact, () => loginAgain(vault, resolved.name, request));
  };
}

function requestFor({ host, profile }: Resolved, dialogue: LoginDialogue, browserEnv: ForeignEnv, stop: AbortSignal) {
  const person = { dialogue, timeoutMs: loginMs, mayOpenBrowser: true, browserEnv, stop };
  return { host: host.value, version, oidc: profile.oidc, ...person };
}
