import { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { Method } from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";
import type { Authorize } from "./authorize.ts";
import { type BearerToken, readBearerToken } from "./bearer-token.ts";
import { applySetCookies } from "./cookies.ts";
import { authorizeWith, loginRecord, type StoredLogin, sentAs } from "./credential.ts";
import { renewLogin } from "./renew-login.ts";
import { type Renewal, renewUnderLock } from "./renewal.ts";
import { currentLogin } from "./stored-login.ts";

/** The one contract of all methods: the credential to use now, what answers do to it, and a newer one when refused. */
export interface Credentials {
  /**
   * @returns the credential to use now
   * @throws `auth_needed`, `auth_expired`, `auth_refused`, and what the vault throws
   */
  current(): Promise<Lease>;
  /** Takes what an answer's `Set-Cookie` headers did to the credential the request was sent with. */
  capture(lease: Lease, setCookies: readonly string[]): Promise<void>;
  /** @returns a credential newer than the refused one, or undefined when there is none to be had */
  renew(refused: Lease): Promise<Lease | undefined>;
}

/** A credential that works now, as far as is known, and how it is put on a request. */
export interface Lease {
  /** the only origin it goes to */
  readonly origin: string;
  readonly authorize: Authorize;
  /** the stored login it comes from, if it does, and whose profile's it is */
  readonly login: StoredLogin | undefined;
  readonly profile?: string;
  /** the bearer token it is, if it is one */
  readonly bearer?: BearerToken;
}

/** The part of the vault that a broker works with. */
export type LoginVault = Pick<Vault, "locked" | "read" | "write" | "stamp" | "changed">;

/** A lease out of the vault. */
type StoredLease = Lease & { readonly login: StoredLogin };

export interface BrokerOptions {
  readonly vault: LoginVault;
  readonly profile: string;
  readonly host: Host;
  readonly runtime: Runtime;
  /**
   * Logs in anew where a person is there to do it, and stores the result; absent where nobody is.
   *
   * @throws what a login throws
   */
  readonly loginAgain?: () => Promise<void>;
  /** what to say when the profile has no login */
  readonly missing?: () => CodemieError;
  /** how the profile logs in */
  readonly method?: Method;
  /** told after a login was renewed and stored, for the audit trail */
  readonly renewed?: () => Promise<void>;
  /** renews a login without a person; by its own method unless said otherwise */
  readonly renewLogin?: typeof renewLogin;
}

/** A session that was confirmed within this time is used as it is, ms. An older one is confirmed first. */
const confirmedForMs = 60_000;
/** A record that was looked at this recently is not looked at for each request of a burst, ms. */
const lookAgainMs = 20;
/** A token is renewed this long before its end, ms, or a fifth of its life before, whichever is shorter. */
const renewAheadMs = 5 * 60_000;
/** How long to wait for another process that may be storing a newer session just now, ms. */
const siblingMs = 2_000;
/** How long to wait for another process that renews: longer than a provider may take for it, ms. */
const renewalMs = 50_000;
/** A login that was made less than this ago and is refused again is not made once more, ms. */
const uselessLoginMs = 60_000;

/**
 * The one place that answers "give me a credential that works now".
 *
 * The front renews a session on the request that finds it old enough, and with rotating refresh tokens a second request
 * with the same old cookies would end it. So a session is confirmed by one process at a time, under the record's lock,
 * which is taken before the front is asked; the others then find the newer session in the vault and adopt it.
 */
export class Broker implements Credentials {
  readonly #options: BrokerOptions;
  readonly #record: string;
  #lease: StoredLease | undefined;
  #stamp = "";
  /** when the record was last looked at, ms of the process's clock */
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** when a person was last asked to log in, ms since the epoch */
  #loggedInAt = Number.NEGATIVE_INFINITY;
  #flight: Promise<StoredLease> | undefined;
  #renewal: { readonly of: StoredLogin; readonly done: Promise<Lease | undefined> } | undefined;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#record = loginRecord(options.profile);
  }

  /**
   * The credential to use now. What another process stored since is adopted.
   *
   * @throws `auth_needed`, `auth_expired`, and what the vault throws
   */
  async current(): Promise<StoredLease> {
    if (this.#lease && this.#isFresh(this.#lease.login)) {
      const now = performance.now();
      if (now - this.#lookedAt < lookAgainMs) return this.#lease;
      // One of a burst looks; the others do not wait for it.
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
   * @throws `auth_needed`, and what the vault throws
   */
  async stored(): Promise<StoredLogin> {
    const { vault, profile, host, missing, method } = this.#options;
    return await currentLogin(vault, profile, host, missing, method);
  }

  /**
   * Takes what an answer's `Set-Cookie` headers did to the session, and stores it before the caller goes on.
   *
   * @param lease the credential the request was sent with
   * @param setCookies the answer's `Set-Cookie` headers
   */
  async capture(lease: Lease, setCookies: readonly string[]): Promise<void> {
    const sent = lease.login;
    if (sent?.method !== "sso") return;
    const { vault, runtime } = this.#options;
    const change = applySetCookies(sent.cookies, setCookies, runtime.now());
    if (change.kind === "none" || change.kind === "ended") return; // an ended session stays until a new one takes its place
    try {
      if (change.kind === "incomplete") return void (await this.#renewUnlessNewer(sent));
      const login = { ...sent, cookies: change.set };
      // A newer set of a sibling is never overwritten by an answer to an older one.
      await this.#renewUnlessNewer(sent, async () => ({ kind: "renewed", login }), siblingMs);
    } catch (error) {
      // The answer is there, and the request must not be made again for the sake of a record: what cannot be stored now is
      // at least used, until somebody stores another.
      if (!isVault(error)) throw error;
      if (change.kind !== "replaced") return;
      this.#take({ ...sent, cookies: change.set, confirmedAt: runtime.now() }, await vault.stamp(this.#record));
    }
  }

  /**
   * Looks for a credential newer than one the host no longer took: a sibling's, a renewed one, a new login's, in this
   * order. All who ask about the same credential share one search.
   *
   * @param refused the credential that was refused
   * @returns a newer one, or undefined when there is none to be had
   */
  async renew(refused: Lease): Promise<Lease | undefined> {
    const { login } = refused;
    if (!login) return undefined;
    if (this.#renewal && sentAs(this.#renewal.of) === sentAs(login)) return await this.#renewal.done;
    const renewal = { of: login, done: this.#search(login) };
    this.#renewal = renewal;
    try {
      return await renewal.done;
    } finally {
      if (this.#renewal === renewal) this.#renewal = undefined;
    }
  }

  /**
   * Renews now, as far as that is possible without a person.
   *
   * @returns what came of it
   * @throws `auth_needed`, and what the vault throws
   */
  async probe(): Promise<Renewal<StoredLogin>> {
    const outcome = await this.#renewUnless(() => false);
    return outcome.kind === "adopted" ? { kind: "valid" } : outcome;
  }

  /**
   * A token says when it ends, and is renewed some time before. A session does not, and the front renews it when it
   * likes: so one that was not confirmed for a while is confirmed first.
   */
  #isFresh(login: StoredLogin): boolean {
    const now = this.#options.runtime.now();
    const since = login.confirmedAt ?? login.loggedInAt;
    if (login.method === "sso") return now >= since && now - since < confirmedForMs;
    if (login.method !== "oidc" || login.expiresAt === undefined) return true;
    return login.expiresAt - now > Math.min(renewAheadMs, (login.expiresAt - since) / 5);
  }

  async #read(): Promise<StoredLease> {
    const { vault } = this.#options;
    const stamp = await vault.stamp(this.#record);
    // If the last write failed, our copy is newer than the file; keep it until the file changes.
    if (this.#lease && stamp === this.#stamp) return this.#lease;
    return this.#take(await this.stored(), stamp);
  }

  #take(login: StoredLogin, stamp: string): StoredLease {
    this.#stamp = stamp;
    const bearer = login.method === "jwt" ? { bearer: readBearerToken(login.token, this.#options.runtime.now()) } : {};
    const { profile } = this.#options;
    this.#lease = { origin: login.origin, login, profile, authorize: authorizeWith(login), ...bearer };
    return this.#lease;
  }

  /** Where nothing can be written (a read-only home) there is no lock, and nobody who would store anything either. */
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
    await this.#renewUnless((login) => this.#isFresh(login)).catch((error: unknown) => {
      // Whoever holds the record waits for a host that does not answer: it is used as it is, and the host decides.
      if (!(error instanceof CodemieError) || error.code !== "vault_locked") throw error;
    });
    return this.#lease ?? stored;
  }

  /** Renews the login under the lock, unless it need not be by then. */
  async #renewUnless(
    isSettled: (current: StoredLogin) => boolean,
    renew = this.#byMethod,
    patienceMs = renewalMs,
  ): ReturnType<typeof renewUnderLock<StoredLogin>> {
    return await renewUnderLock<StoredLogin>({
      locked: (work) => this.#locked(work, patienceMs),
      read: async () => (await this.#read()).login,
      isSettled,
      renew,
      store: (login) => this.#write(login),
      unstored: notOnDisk,
      take: (login, outcome) => this.#keep(login, outcome),
      audit: async () => await this.#options.renewed?.(),
    });
  }

  readonly #byMethod = async (login: StoredLogin): Promise<Renewal<StoredLogin>> => {
    const { host, runtime } = this.#options;
    return await (this.#options.renewLogin ?? renewLogin)(login, host, runtime);
  };

  /** Renews unless somebody else has got a newer login already. */
  async #renewUnlessNewer(than: StoredLogin, renew = this.#byMethod, patienceMs = renewalMs): Promise<void> {
    await this.#renewUnless((current) => sentAs(current) !== sentAs(than), renew, patienceMs);
  }

  async #write(login: StoredLogin): Promise<void> {
    const { vault, runtime } = this.#options;
    await vault.write(this.#record, { ...login, confirmedAt: runtime.now() });
  }

  /** Goes on with the login that there is after a renewal, whatever came of it. */
  async #keep(login: StoredLogin, outcome: Renewal<StoredLogin>["kind"] | "adopted"): Promise<void> {
    if (outcome === "adopted") return; // reading took it
    const { vault, runtime } = this.#options;
    // A front that does not answer is not asked by every process anew, each waiting for the one before.
    const isConfirmed = outcome === "valid" || (outcome === "unknown" && login.method === "sso");
    if (isConfirmed) await this.#write(login).catch(notOnDisk);
    const isWritten = isConfirmed || outcome === "renewed";
    // Without a yes it is used as it is, the host decides, and it is not asked about again for a while.
    this.#take({ ...login, confirmedAt: runtime.now() }, isWritten ? await vault.stamp(this.#record) : this.#stamp);
  }

  async #search(refused: StoredLogin): Promise<Lease | undefined> {
    const { vault, loginAgain, runtime } = this.#options;
    const newer = async () => {
      const stored = await this.#read();
      return sentAs(stored.login) === sentAs(refused) ? undefined : stored;
    };
    try {
      const stamp = await vault.stamp(this.#record);
      const adopted =
        (await newer()) ?? ((await vault.changed(this.#record, stamp, siblingMs)) ? await newer() : undefined);
      if (adopted) return adopted;
      await this.#renewUnlessNewer(refused);
      const renewed = await newer();
      if (renewed || !loginAgain) return renewed;
      // A login that was made just now and does not help either would not help the next time: no browser for each request.
      if (runtime.now() - this.#loggedInAt < uselessLoginMs) return undefined;
      await loginAgain();
      this.#loggedInAt = runtime.now();
      return await newer();
    } catch (error) {
      if (error instanceof CodemieError && error.exitCode !== 1) return undefined;
      throw error;
    }
  }
}

/** The vault could not take it: its disk, its lock, its key, its record. */
const isVault = (error: unknown) => error instanceof CodemieError && (error.code === "disk" || error.exitCode === 6);

/** The old login may be spent already: a renewed one that cannot be written down is used all the same. */
function notOnDisk(error: unknown): void {
  if (!isDisk(error)) throw error;
}

const isDisk = (error: unknown) => error instanceof CodemieError && error.code === "disk";

/** How often a request may be tried anew, each time with a newer credential. */
export const renewals = 3;
