import type { Integration, Model } from "../api/schemas.ts";
import type { Credentials } from "../auth/broker.ts";
import type { StoredLogin } from "../auth/credential.ts";
import type { LoginDialogue } from "../auth/login/browser.ts";
import type { OidcClient } from "../auth/login/oidc.ts";
import { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { Secret } from "../core/secret.ts";
import { type Back, back, type Prompts } from "../platform/prompts.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { Config, Profile } from "../profiles/config.ts";
import type { ProviderName } from "../profiles/providers.ts";
import type { Method } from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";

/** What the command line asked for; what is not there is asked of the person, or taken from what is usual. */
export interface SetupFlags {
  readonly profile: string | undefined;
  readonly method: Method | undefined;
  readonly url: string | undefined;
  readonly provider: ProviderName | undefined;
  readonly client: Partial<OidcClient>;
  readonly device: boolean;
  readonly mayOpenBrowser: boolean;
  /** ms */
  readonly timeoutMs: number;
  readonly project: string | undefined;
  readonly model: string | undefined;
  readonly tokenEnv: string | undefined;
  /** read from standard input, to be stored */
  readonly token: Secret | undefined;
  readonly key: Secret | undefined;
}

/** What every step is given. */
export interface SetupContext {
  readonly runtime: Runtime;
  /** our version, `MAJOR.MINOR.PATCH` */
  readonly version: string;
  readonly vault: Vault;
  readonly config: Config;
  readonly flags: SetupFlags;
  /** absent where nobody is to be asked */
  readonly prompts: Prompts | undefined;
  /** what was typed before, by question, so that going back loses nothing */
  readonly typed: Map<string, string>;
  /** tells the person how a step went */
  readonly tell: { good(text: string): void; note(text: string): void };
  /** shows that something is going on */
  during<T>(text: string, work: () => Promise<T>): Promise<T>;
  dialogue(origin: string): LoginDialogue;
  /** @returns the credentials of a profile's stored login */
  stored(profile: string, host: Host): Credentials;
  readonly stop: AbortSignal;
}

/** A proved login that is not in the vault yet. A token of the shell (`passing`) never gets there. */
export interface Held {
  login: StoredLogin;
  readonly passing: boolean;
}

/** The profile as far as it is known. Nothing of it is stored before the end. */
export interface Draft {
  /** the profile that is being edited, if one is */
  readonly edits?: string;
  /** the person wants a profile of its own, whatever is there */
  readonly adds?: boolean;
  /** what the profile was before */
  readonly before: Profile;
  readonly host?: Host;
  /** what was found at the host: a single sign-on stands before it */
  readonly front?: boolean;
  readonly method?: Method;
  readonly provider?: ProviderName;
  readonly client?: OidcClient;
  readonly tokenEnv?: string;
  /** proved, and stored in the end; held by reference, since the host may renew it meanwhile */
  readonly held?: Held;
  /** the profile whose stored login goes on as it is */
  readonly keeps?: string;
  readonly models?: readonly Model[];
  readonly project?: string;
  readonly integration?: Integration;
  readonly model?: string;
  readonly name?: string;
}

/** One step: completes the draft, or wants the person to be asked the question before. */
export type SetupStep = (draft: Draft, context: SetupContext) => Promise<Draft | Back>;

/**
 * Goes through the steps in order. Going back leads to the step before that asked something.
 *
 * @throws what a step throws
 */
export async function walk(steps: readonly SetupStep[], start: Draft, context: SetupContext): Promise<Draft> {
  const trail: { at: number; draft: Draft }[] = [];
  let draft = start;
  for (let at = 0; at < steps.length; ) {
    let asked = false;
    const prompts = context.prompts && noticing(context.prompts, () => (asked = true));
    const next = await steps[at]?.(draft, { ...context, prompts });
    if (next === back) {
      const before = trail.pop();
      if (before) ({ at, draft } = before);
      continue; // there is nothing before the first question: it is asked again
    }
    if (asked) trail.push({ at, draft });
    draft = next ?? draft;
    at++;
  }
  return draft;
}

function noticing(prompts: Prompts, notice: () => void): Prompts {
  const noticed = <A extends unknown[], R>(ask: (...args: A) => R) => {
    return (...args: A): R => {
      notice();
      return ask(...args);
    };
  };
  return {
    ...prompts,
    text: noticed(prompts.text),
    secret: noticed(prompts.secret),
    confirm: noticed(prompts.confirm),
    choose: (message, choices, initial) => {
      notice();
      return prompts.choose(message, choices, initial);
    },
  };
}

/**
 * Tries something until it works: where a person is there, a failure is said and the question asked again. What asked
 * nothing would fail the same way again, at the host's expense: then the person says whether to try once more.
 *
 * @param attempt one try; gets the context to ask with, and whether it is the first
 * @throws what `attempt` throws where nobody is to be asked, and interruptions anywhere
 */
export async function untilItWorks(
  context: SetupContext,
  attempt: (context: SetupContext, again: boolean) => Promise<Draft | Back>,
): Promise<Draft | Back> {
  const { prompts, tell, stop } = context;
  for (let again = false; ; again = true) {
    let asked = false;
    try {
      return await attempt({ ...context, prompts: prompts && noticing(prompts, () => (asked = true)) }, again);
    } catch (error) {
      const final = !prompts || !(error instanceof CodemieError) || error.exitCode >= 130;
      if (final) throw error;
      stop.throwIfAborted();
      tell.note(error.hint ? `${error.message}; ${error.hint}` : error.message);
      if (asked) continue;
      const more = await prompts.confirm("Try again?", true);
      if (more === back) return back;
      if (!more) throw error;
    }
  }
}
