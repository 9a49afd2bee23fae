import type { CodemieError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { Client } from "../oauth/client.ts";
import type { ServerMetadata } from "../oauth/metadata.ts";

/** How a renewal without a person ended, for a stored login of type L. */
export type Renewal<L> =
  /** `idToken`: if the provider sent one */
  | { readonly kind: "renewed"; readonly login: L; readonly idToken?: FreshIdToken }
  /** the login is still valid as it is */
  | { readonly kind: "valid" }
  /** only a new login helps, and why, if the provider says so */
  | { readonly kind: "ended"; readonly error?: CodemieError }
  /**
   * host or provider gave no usable answer, and why; `login`: the login with the new refresh token that the answer held
   * all the same, since the one before is spent
   */
  | { readonly kind: "unknown"; readonly error?: CodemieError; readonly login?: L };

/** An ID token that was just issued, its provider, and our client there. We store none: they expire within minutes. */
export interface FreshIdToken {
  readonly token: Secret;
  readonly server: ServerMetadata;
  readonly client: Client;
}

/** A stored login that expires: how to lock, read, renew and store it. */
export interface Renewable<L> {
  /** Runs `work` while no other process renews or stores the login. */
  locked<T>(work: () => Promise<T>): Promise<T>;
  /** @returns the login as it is now, or undefined when there is none */
  read(): Promise<L | undefined>;
  /** @returns true when the login needs no renewal any more, because another process renewed it */
  isSettled(current: L): boolean;
  /** Renews the login by its own method, which may spend a one-time refresh token. */
  renew(current: L): Promise<Renewal<L>>;
  /** Stores the login that a renewal brought. If that fails, the renewal still counts. */
  store(next: L, outcome: Renewal<L>["kind"]): Promise<void>;
  /** Takes over, in memory, the login that was renewed or found. */
  take(current: L, outcome: Renewal<L>["kind"] | "adopted"): Promise<void> | void;
  /** Called when the renewed login could not be stored. @throws when that must end the renewal */
  unstored(error: unknown): void;
  /** Writes the renewal into the audit trail. */
  audit(): Promise<void>;
}

/**
 * The only way to renew: take the lock, read again; if another process renewed meanwhile, adopt its login; else renew,
 * store, audit. With refresh token rotation, two renewals of the same login would end it, so every renewal takes the
 * lock. By then the old refresh token may be spent, so a renewed login is used even if it cannot be stored, and a new
 * refresh token is stored even if the rest of the answer is unusable.
 *
 * @returns how it ended; `adopted` with the login that another process stored; `ended` also when there is no login
 * @throws what the lock, `read`, `renew`, `unstored`, `take` and `audit` throw
 */
export async function renewUnderLock<L>(
  it: Renewable<L>,
): Promise<Renewal<L> | { readonly kind: "adopted"; readonly login: L }> {
  return await it.locked(async () => {
    const current = await it.read();
    if (current === undefined) return { kind: "ended" };
    if (it.isSettled(current)) {
      await it.take(current, "adopted");
      return { kind: "adopted", login: current };
    }
    const outcome = await it.renew(current);
    const next = "login" in outcome ? outcome.login : undefined;
    if (next !== undefined) await it.store(next, outcome.kind).catch((error: unknown) => it.unstored(error));
    await it.take(next ?? current, outcome.kind);
    if (outcome.kind === "renewed") await it.audit();
    return outcome;
  });
}
