import type { Integration, Model } from "../api/schemas.ts";
import type { StoredLogin } from "../auth/credential.ts";
import type { Credentials } from "../auth/credentials.ts";
import type { LoginFlag } from "../auth/failures.ts";
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
import type { ProfileStore } from "../profiles/store.ts";
import type { Vault } from "../vault/vault.ts";

/** The flags of `codemie setup`. For a missing one set-up asks the person, or takes the usual value. */
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
  readonly unusedFlags: readonly LoginFlag[];
  readonly project: string | undefined;
  readonly model: string | undefined;
  readonly tokenEnv: string | undefined;
  /** read from standard input, to be stored */
  readonly token: Secret | undefined;
  readonly key: Secret | undefined;
}

/** The context of every step. */
export interface SetupContext {
  readonly runtime: Runtime;
  /** our version, `MAJOR.MINOR.PATCH` */
  readonly version: string;
  readonly vault: Vault;
  readonly profiles: ProfileStore;
  readonly config: Config;
  readonly flags: SetupFlags;
  /** undefined when nobody is there to answer, or wants to */
  readonly prompts: Prompts | undefined;
  /** earlier answers by question, so that going back loses nothing */
  readonly typed: Map<string, string>;
  /** tells the person how a step went */
  readonly tell: { good(text: string): void; note(text: string): void };
  /** runs `work` and shows the activity `text` meanwhile */
  during<T>(text: string, work: () => Promise<T>): Promise<T>;
  /** a login's dialogue, which throws `back` on Escape where a person answers questions */
  dialogue(origin: string): LoginDialogue;
  /** @returns the credentials of a profile's stored login */
  stored(profile: string, host: Host): Credentials;
  readonly stop: AbortSignal;
  /** the logins proved in this run: the draft before and after, so that going back costs no second login */
  readonly proved: { readonly before: Draft; readonly after: Draft }[];
  /** true: a question came before this step */
  readonly canGoBack: boolean;
}

/** A proved login that is not in the vault yet. A token from the shell's environment (`passing`) never gets there. */
export interface Held {
  login: StoredLogin;
  readonly passing: boolean;
}

/** The profile so far. Nothing of it is stored before the last step is done. */
export interface Draft {
  /** name of the profile that set-up changes */
  readonly edits?: string;
  /** true: the person asked for one more profile, even if one of this host or provider exists */
  readonly adds?: boolean;
  /** the profile as stored before; empty for a new one */
  readonly before: Profile;
  readonly host?: Host;
  /** true: oauth2-proxy, the host's single sign-on, stands before it */
  readonly front?: boolean;
  readonly method?: Method;
  readonly provider?: ProviderName;
  /** the OpenID provider, until its client is known too */
  readonly issuer?: string;
  readonly client?: OidcClient;
  readonly tokenEnv?: string;
  /** held by reference, since the host may renew it before it is stored */
  readonly held?: Held;
  /** name of the profile whose stored login stays as it is */
  readonly keeps?: string;
  readonly models?: readonly Model[];
  /** true: the provider gives no list of models, so that one is asked for by name */
  readonly lacksList?: boolean;
  readonly project?: string;
  readonly integration?: Integration;
  readonly model?: string;
  readonly name?: string;
}

/** One step: returns a fuller draft, or `back` for the question before. */
export type SetupStep = (draft: Draft, context: SetupContext) => Promise<Draft | Back>;

/**
 * Runs the steps in order. `back` returns to the last step that asked something.
 *
 * @returns the draft after the last step
 * @throws as the steps
 */
export async function walk(steps: readonly SetupStep[], start: Draft, context: SetupContext): Promise<Draft> {
  const trail: { at: number; draft: Draft }[] = [];
  let draft = start;
  for (let at = 0; at < steps.length; ) {
    let asked = false;
    const prompts = context.prompts && noticing(context.prompts, () => (asked = true));
    const next = await steps[at]?.(draft, { ...context, prompts, canGoBack: trail.length > 0 });
    if (next === back) {
      const before = trail.pop();
      if (before) ({ at, draft } = before);
      else context.tell.note("this is the first question; Ctrl-C leaves everything as it was");
      continue;
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
    nameOrSecret: noticed(prompts.nameOrSecret),
    confirm: noticed(prompts.confirm),
    choose: (message, choices, initial) => {
      notice();
      return prompts.choose(message, choices, initial);
    },
  };
}

/**
 * Repeats an attempt until it works, if a person is there: shows the failure, and the attempt asks its question again.
 * An attempt that asked nothing would fail the same way, at the host's expense, so the person decides on another try;
 * a no leads back to the question before.
 *
 * @param attempt one try; gets the context to ask with, and false on the first try
 * @returns the result of the attempt that worked, or `back`
 * @throws as `attempt` when nobody is there, or the person wants no other try and there is no question before;
 *   interruptions always
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
      // At a question, a hint that names flags does not help.
      const hint = error.hint !== undefined && !/(?:^| )--[a-z]/.test(error.hint) ? `; ${error.hint}` : "";
      tell.note(`${error.message}${hint}`);
      if (asked) continue;
      const more = await prompts.confirm("Try again?", true);
      if (more === true) continue;
      if (!context.canGoBack) throw error;
      return back;
    }
  }
}
