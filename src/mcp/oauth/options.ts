import type { Secret } from "../../core/secret.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import type { Trace } from "../../oauth/trace.ts";
import type { Log } from "../log.ts";
import type { ClientOptions } from "./client.ts";
import type { PersonOptions } from "./code-flow.ts";
import type { Grant } from "./grant.ts";
import type { EnterpriseProvider } from "./machine.ts";
import type { GrantStore } from "./store.ts";

/** How to get a token: through a person, as a machine, through the company's identity provider, or by a job's identity. */
export type GrantKind = "authorization-code" | "client-credentials" | "enterprise" | "jwt-bearer";

/** Settings and tools for the logins to one MCP server. */
export interface SessionOptions {
  /** the MCP server's address */
  readonly url: URL;
  readonly grant: GrantKind;
  readonly scope: string | undefined;
  /** the user's resource indicator; `none` sends none */
  readonly resource: string | undefined;
  readonly issuer: string | undefined;
  readonly client: ClientOptions;
  readonly person: PersonOptions;
  /** called each time the enterprise grant needs a token */
  readonly enterprise: (() => Promise<EnterpriseProvider>) | undefined;
  /** called each time the grant `jwt-bearer` needs a token; takes the authorization server's issuer, for the audience */
  readonly workload: ((issuer: string) => Promise<Secret>) | undefined;
  /** stores logins; undefined: they end with the process */
  readonly store: GrantStore | undefined;
  readonly http: OAuthHttp;
  readonly log: Log;
  readonly trace: Trace;
  /** called after every new authorization, for the audit trail */
  readonly authorized: (issuer: string) => Promise<void>;
  /** called after every renewal, for the audit trail */
  readonly renewed: (issuer: string) => Promise<void>;
}

/** One renewal of a session's token. */
export interface HowToRenew {
  /** the token that the server refused, or that ends soon */
  readonly refused: Grant | undefined;
  /** scope that a stored login must cover to be useful */
  readonly scope: string | undefined;
  /** false: a renewed token would not help */
  readonly mayRenew: boolean;
  /** true: the current token has not ended yet */
  readonly ahead: boolean;
  locked<T>(work: () => Promise<T>): Promise<T>;
}
