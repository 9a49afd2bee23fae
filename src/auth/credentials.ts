import type { Authorize } from "./authorize.ts";
import type { BearerToken } from "./bearer-token.ts";
import type { StoredLogin } from "./credential.ts";

/** The contract of all login methods: the current credential, its changes by answers, a newer one when refused. */
export interface Credentials {
  /**
   * @returns the credential to use now
   * @throws `auth_needed`, `auth_expired`, `auth_refused`, and what the vault throws
   */
  current(): Promise<Lease>;
  /** Applies an answer's `Set-Cookie` headers to the credential that the request carried. */
  capture(lease: Lease, setCookies: readonly string[]): Promise<void>;
  /** @returns a credential newer than the refused one, or undefined when there is none */
  renew(refused: Lease): Promise<Lease | undefined>;
  /**
   * Absent where nobody can say.
   *
   * @returns true when the host says that it accepts this very credential now
   */
  confirm?(lease: Lease): Promise<boolean>;
}

/** A credential that works now, as far as we know, and the function that puts it on a request. */
export interface Lease {
  /** the only origin the credential goes to */
  readonly origin: string;
  readonly authorize: Authorize;
  /** the login it comes from; undefined for one given for this run */
  readonly login: StoredLogin | undefined;
  readonly profile?: string;
  /** true: oauth2-proxy says that the session is over; a host without one in front of it may say otherwise */
  readonly isOver?: boolean;
  /** the variable that gave it, if one did: a person may not know that their shell holds one */
  readonly variable?: string | undefined;
  /** set when the credential is a bearer token that the user gave, or that an identity token gave */
  readonly bearer?: BearerToken;
  /** set when a job's identity token gave it */
  readonly identity?: Identified;
}

/** Whom an identity token names, by whom it is issued, for whom, and who gave it, in words. */
export interface Identified {
  readonly subject: string;
  readonly issuer: string;
  readonly audience: string;
  readonly place: string;
}

/** How often a refused request may be sent again, each time with a newer credential. */
export const renewals = 3;
