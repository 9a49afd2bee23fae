import type { CodemieError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";

/** What came of renewing a login of kind L without a person. */
export type Renewal<L> =
  /** `idToken`: one that came along, where the method has such */
  | { readonly kind: "renewed"; readonly login: L; readonly idToken?: FreshIdToken }
  /** it goes on as it is */
  | { readonly kind: "valid" }
  /** only a new login helps */
  | { readonly kind: "ended" }
  /** nobody could be asked just now, and why */
  | { readonly kind: "unknown"; readonly error?: CodemieError };

/** An ID token that was just issued, and the provider's token endpoint. None is kept: they end within minutes. */
export interface FreshIdToken {
  readonly token: Secret;
  readonly tokenEndpoint: URL;
}

/** Something stored that wears out: where it lies, and how it is renewed. */
export interface Renewable<L> {
  /** Runs work while no other process renews or stores it. */
  locked<T>(work: () => Promise<T>): Promise<T>;
  /** @returns it as it is now, or undefined when there is none */
  read(): Promise<L | undefined>;
  /** @returns true when it needs no renewal any more: another process was here before */
  isSettled(current: L): boolean;
  /** Renews it by its own method, which may spend a refresh token that works once. */
  renew(current: L): Promise<Renewal<L>>;
  /** Writes down what was renewed; a failure does not undo the renewal. */
  store(renewed: L): Promise<void>;
  /** Takes over what there is now, in memory: what was renewed, or found. */
  take(current: L, outcome: Renewal<L>["kind"] | "adopted"): Promise<void> | void;
  /** Told when the renewed one could not be written down. @throws when that must end the renewal */
  unstored(error: unknown): void;
  /** Writes the renewal into the audit trail. */
  audit(): Promise<void>;
}

/**
 * The one way to renew: under the lock, read again; if another process renewed meanwhile, adopt that; else renew, store,
 * audit. With rotating refresh tokens two renewals of one login would end it, so nobody renews without the lock. The old one
 * may be spent already, so a renewed one that cannot be written down is used all the same.
 *
 * @returns what came of it; `adopted` with what another process stored
 * @throws what the lock, `read`, `renew` and `unstored` throw
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
    if (outcome.kind !== "renewed") {
      await it.take(current, outcome.kind);
      return outcome;
    }
    try {
      await it.store(outcome.login);
    } catch (error) {
      it.unstored(error);
    }
    await it.take(outcome.login, "renewed");
    await it.audit();
    return outcome;
  });
}
