import { apiFailure } from "../api/failures.ts";
import { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { Method } from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";
import type { Authorize } from "./authorize.ts";
import { readBearerToken } from "./bearer-token.ts";
import { applySetCookies } from "./cookies.ts";
import { authorizeWith, loginRecord, type StoredLogin, sentAs } from "./credential.ts";
import type { Credentials, Lease } from "./credentials.ts";
import { hasEnded, isFresh } from "./freshness.ts";
import { confirmations, isAccepted, isAcceptedByHost } from "./probe.ts";
import { problemOf, renewLogin } from "./renew-login.ts";
import { type Renewal, renewUnderLock } from "./renewal.ts";
import { restingLogin, restingRenewal } from "./resting.ts";
import { currentLogin } from "./stored-login.ts";

/** The part of the vault that a broker uses. */
export type LoginVault = Pick<Vault, "locked" | "read" | "write" | "stamp" | "changed">;

type StoredLease = Lease & { readonly login: StoredLogin };

export interface BrokerOptions {
  readonly vault: LoginVault;
  readonly profile: string;
  readonly host: Host;
  readonly runtime: Runtime;
  /**
   * Has a person log in again, and stores the new login. Absent when nobody is there.
   *
   * @throws what a login throws
   */
  readonly loginAgain?: () => Promise<void>;
  /** makes the failure for a profile without a login */
  readonly missing?: () => CodemieError;
  /** how the profile logs in */
  readonly method?: Method;
  /** called after each renewal, for the audit trail */
  readonly renewed?: () => Promise<void>;
  /** renews a login without a person; default: by its own method */
  readonly renewLogin?: typeof renewLogin;
}

/** In a burst of requests, the broker checks the record for changes no more often than this, ms. */
const lookAgainMs = 20;
/** How long to wait for another process that may be about to store a newer session, ms. */
const siblingMs = 2_000;
/** How long to wait for another process that is renewing, ms: longer than a provider may take. */
const renewalMs = 50_000;

/**
 * Gives out the stored login of a profile as a credential that works now, and renews it.
 *
 * oauth2-proxy ("the front") renews a session on the first request that finds it old enough. With refresh token
 * rotation, a second request with the same old cookies would end the session. So a broker takes the record's lock
 * before it asks the front, and one process at a time confirms the session; the others find the newer session in the
 * vault and adopt it.
 */
export class Broker implements Credentials {
  readonly #options: BrokerOptions;
  readonly #record: string;
  readonly #byMethod: (login: StoredLogin) => Promise<Renewal<StoredLogin>>;
  readonly #logInAgain: () => Promise<boolean>;
  #lease: StoredLease | undefined;
  #stamp = "";
  /** when we last looked for changes, ms of `performance.now()` */
  #lookedAt = Number.NEGATIVE_INFINITY;
  readonly #confirmed = confirmations();
  #flight: Promise<StoredLease> | undefined;
  #renewal: { readonly of: StoredLogin; readonly done: Promise<StoredLease | undefined> } | undefined;

  constructor(options: BrokerOptions) {
    this.#options = options;
    const { host, runtime } = options;
    this.#byMethod = restingRenewal(options.renewLogin ?? renewLogin, host, runtime);
    this.#logInAgain = restingLogin(options.loginAgain, runtime.now);
    this.#record = loginRecord(options.profile);
  }

  /**
   * Returns the credential to use now; adopts a newer login that another process stored.
   *
   * @throws `auth_needed` when there is none; `auth_expired` when its token has ended; `unreachable`, `tls` when the provider
   *   cannot renew that now; `auth_refused` as {@link readBearerToken}; what the vault throws
   */
  async current(): Promise<StoredLease> {
    if (this.#lease && this.#isFresh(this.#lease.login)) {
      const now = performance.now();
      if (now - this.#lookedAt < lookAgainMs) return this.#lease;
      // One request of a burst checks; the others do not wait for it.
      this.#lookedAt = now;
      if ((await this.#options.vault.stamp(this.#record)) === this.#stamp) return this.#lease;
    }
    this.#flight ??= this.#confirm().finally(() => {
      this.#flight = undefined;
    });
    return await this.#flight;
  }

  /**
   * @returns the login as it is stored, whether it works or not
   * @throws as {@link currentLogin}
   */
  async stored(): Promise<StoredLogin> {
    const { vault, profile, host, missing, method } = this.#options;
    return await currentLogin(vault, profile, host, missing, method);
  }

  /**
   * Applies an answer's `Set-Cookie` headers to the session and stores it; keeps it in memory if the vault cannot.
   *
   * @param lease the credential that the request carried
   * @param setCookies the answer's `Set-Cookie` headers
   * @throws errors that are not the vault's
   */
  async capture(lease: Lease, setCookies: readonly string[]): Promise<void> {
    const sent = lease.login;
    if (sent?.method !== "sso") return;
    const { vault, runtime } = this.#options;
    const change = applySetCookies(sent.cookies, setCookies, runtime.now());
    if (change.kind === "none" || change.kind === "ended") return; // an ended session stays until a new one replaces it
    try {
      if (change.kind === "incomplete") return void (await this.#renewUnlessNewer(sent));
      const login = { ...sent, cookies: change.set };
      // If another process stored a newer set meanwhile, it stays: this answer belongs to an older one.
      await this.#renewUnlessNewer(sent, async () => ({ kind: "renewed", login }), siblingMs);
    } catch (error) {
      // The host has answered: do not fail the request for the sake of a record, since the client would repeat it. Use
      // the new cookies from memory until the stored record changes.
      if (!isVault(error)) throw error;
      if (change.kind !== "replaced") return;
      this.#take({ ...sent, cookies: change.set, confirmedAt: runtime.now() }, await vault.stamp(this.#record));
    }
  }

  /**
   * Finds a credential newer than one that the host refused: one that another process stored, else a renewed one, else
   * a new login. Concurrent calls for the same credential share one search.
   *
   * @param refused the credential that was refused
   * @returns a newer one, or undefined when there is none
   * @throws `unreachable`, `tls` when its provider cannot renew it now; failures with exit code 1 (`disk`, `server_error`,
   *   …), and errors that are not ours
   */
  async renew(refused: Lease): Promise<Lease | undefined> {
    const { login } = refused;
    return login && (await this.#findNewer(login, () => this.#search(login)));
  }

  /** Runs `find`, unless a search for a newer login than `login` runs already; then returns the result of that. */
  async #findNewer(login: StoredLogin, find: () => Promise<StoredLease | undefined>): Promise<StoredLease | undefined> {
    if (this.#renewal && sentAs(this.#renewal.of) === sentAs(login)) return await this.#renewal.done;
    const renewal = { of: login, done: find() };
    this.#renewal = renewal;
    try {
      return await renewal.done;
    } finally {
      if (this.#renewal === renewal) this.#renewal = undefined;
    }
  }

  /**
   * Asks the host whether it accepts a credential. A session may be renewed by that, and is then not confirmed, since the
   * request was made with the one before.
   *
   * @throws errors that are not ours
   */
  async confirm({ login, authorize }: Lease): Promise<boolean> {
    return login !== undefined && (await this.#confirmed(sentAs(login), () => this.#accepts(login, authorize)));
  }

  async #accepts(login: StoredLogin, authorize: Authorize): Promise<boolean> {
    const { host, runtime } = this.#options;
    if (login.method !== "sso") return await isAccepted(host, authorize, runtime.fetch);
    try {
      const outcome = await this.#renewUnless((current) => sentAs(current) !== sentAs(login));
      if (outcome.kind !== "unknown") return outcome.kind === "valid";
      return await isAcceptedByHost(host, authorize, runtime.fetch);
    } catch (error) {
      if (error instanceof CodemieError) return false;
      throw error;
    }
  }

  /** Renews now, fresh or not, without a person. @returns how it ended. @throws as {@link current} */
  async probe(): Promise<Renewal<StoredLogin>> {
    const outcome = await this.#renewUnless(() => false);
    return outcome.kind === "adopted" ? { kind: "valid" } : outcome;
  }

  #isFresh(login: StoredLogin): boolean {
    return isFresh(login, this.#options.runtime.now());
  }

  async #read(): Promise<StoredLease> {
    const { vault } = this.#options;
    const stamp = await vault.stamp(this.#record);
    // If the last write failed, our copy is newer than the file; keep it until the file changes.
    if (this.#lease && stamp === this.#stamp) return this.#lease;
    return this.#take(await this.stored(), stamp);
  }

  #take(login: StoredLogin, stamp: string, isOver = false): StoredLease {
    this.#stamp = stamp;
    const bearer = login.method === "jwt" ? { bearer: readBearerToken(login.token, this.#options.runtime.now()) } : {};
    const { profile } = this.#options;
    this.#lease = { origin: login.origin, login, profile, isOver, authorize: authorizeWith(login), ...bearer };
    return this.#lease;
  }

  /** Runs `work` under the record's lock; without it in a read-only home, where no other process can store anything. */
  async #locked<T>(work: () => Promise<T>, patienceMs = renewalMs): Promise<T> {
    const enter = () => {
      entered = true;
      return work();
    };
    let entered = false;
    try {
      return await this.#options.vault.locked(this.#record, enter, patienceMs);
    } catch (error) {
      if (entered || !isDisk(error)) throw error;
      return await work();
    }
  }

  /** Reads the stored login and, unless it is fresh, renews it under the lock. */
  async #confirm(): Promise<StoredLease> {
    const stored = await this.#read();
    if (this.#isFresh(stored.login)) return stored;
    const outcome = await this.#renewUnless((login) => this.#isFresh(login)).catch((error: unknown) => {
      // The holder of the lock waits for a host that does not answer. Use the login as it is; the host decides.
      if (error instanceof CodemieError && error.code === "vault_locked") return { kind: "unknown", error } as const;
      throw error;
    });
    const lease = this.#lease ?? stored;
    const { login } = lease;
    if (!hasEnded(login, this.#options.runtime.now())) return lease;
    const problem = problemOf(login, outcome);
    if (problem) throw problem;
    const newer = await this.#findNewer(login, () => this.#newLogin(login));
    if (!newer) throw apiFailure.sessionEnded(login.origin, this.#options.profile);
    return newer;
  }

  /** Renews the login under the lock, unless `isSettled` holds for the login found there. */
  async #renewUnless(
    isSettled: (current: StoredLogin) => boolean,
    renew = this.#byMethod,
    patienceMs = renewalMs,
  ): ReturnType<typeof renewUnderLock<StoredLogin>> {
    const { vault } = this.#options;
    return await renewUnderLock<StoredLogin>({
      locked: (work) => this.#locked(work, patienceMs),
      read: async () => (await this.#read()).login,
      isSettled,
      renew,
      store: (login, outcome) => (outcome === "renewed" ? this.#write(login) : vault.write(this.#record, login)),
      unstored: notOnDisk,
      take: (login, outcome) => this.#keep(login, outcome),
      audit: async () => await this.#options.renewed?.(),
    });
  }

  /** Renews unless another process has stored a newer login. */
  async #renewUnlessNewer(than: StoredLogin, renew = this.#byMethod, patienceMs = renewalMs) {
    const isNewer = (one: StoredLogin) => sentAs(one) !== sentAs(than) && !hasEnded(one, this.#options.runtime.now());
    return await this.#renewUnless(isNewer, renew, patienceMs);
  }

  async #write(login: StoredLogin): Promise<void> {
    const { vault, runtime } = this.#options;
    await vault.write(this.#record, { ...login, confirmedAt: runtime.now() });
  }

  /** Keeps the login in memory after a renewal, whatever its outcome. */
  async #keep(login: StoredLogin, outcome: Renewal<StoredLogin>["kind"] | "adopted"): Promise<void> {
    if (outcome === "adopted") return; // #read took it
    const { vault, runtime } = this.#options;
    // If the front does not answer, store that too: else every process would ask it again, one after the other.
    const isConfirmed = outcome === "valid" || (outcome === "unknown" && login.method === "sso");
    if (isConfirmed) await this.#write(login).catch(notOnDisk);
    // Even if it was not confirmed, use the login as it is for a while; the host decides.
    const stamp = await vault.stamp(this.#record);
    this.#take({ ...login, confirmedAt: runtime.now() }, stamp, outcome === "ended" && login.method === "sso");
  }

  async #search(refused: StoredLogin): Promise<StoredLease | undefined> {
    const { vault } = this.#options;
    let problem: CodemieError | undefined;
    try {
      const stamp = await vault.stamp(this.#record);
      const adopted =
        (await this.#newer(refused)) ??
        ((await vault.changed(this.#record, stamp, siblingMs)) ? await this.#newer(refused) : undefined);
      if (!adopted) problem = problemOf(refused, await this.#renewUnlessNewer(refused));
      const found = adopted ?? (await this.#newer(refused));
      if (found) return found;
    } catch (error) {
      if (error instanceof CodemieError && error.exitCode !== 1) return undefined;
      throw error;
    }
    if (problem) throw problem;
    return await this.#newLogin(refused);
  }

  async #newLogin(than: StoredLogin): Promise<StoredLease | undefined> {
    return (await this.#logInAgain()) ? await this.#newer(than) : undefined;
  }

  /** @returns the stored login, if it is another than this one and has not ended */
  async #newer(than: StoredLogin): Promise<StoredLease | undefined> {
    const stored = await this.#read();
    if (sentAs(stored.login) === sentAs(than)) return undefined;
    return hasEnded(stored.login, this.#options.runtime.now()) ? undefined : stored;
  }
}

/** True when the vault could not store a record: disk, lock, key, or a damaged record. */
const isVault = (error: unknown) => error instanceof CodemieError && (error.code === "disk" || error.exitCode === 6);

/** Ignores a disk failure: the old login may be spent, so the renewed one is used even if it cannot be stored. */
function notOnDisk(error: unknown): void {
  if (!isDisk(error)) throw error;
}

const isDisk = (error: unknown) => error instanceof CodemieError && error.code === "disk";
