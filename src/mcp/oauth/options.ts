import type { OAuthHttp } from "../../oauth/http.ts";
import type { Trace } from "../../oauth/trace.ts";
import type { Log } from "../log.ts";
import type { ClientOptions } from "./client.ts";
import type { PersonOptions } from "./code-flow.ts";
import type { EnterpriseProvider } from "./machine.ts";
import type { GrantStore } from "./store.ts";

/** How a token is come by: through a person, as a machine, or by the company's provider. */
export type GrantKind = "authorization-code" | "client-credentials" | "enterprise";

/** What the user, and the machine we run on, say about the logins to one server. */
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
  /** asked each time a token is needed by the enterprise grant */
  readonly enterprise: (() => Promise<EnterpriseProvider>) | undefined;
  /** where logins are kept; undefined: they end with the process */
  readonly store: GrantStore | undefined;
  readonly http: OAuthHttp;
  readonly log: Log;
  readonly trace: Trace;
  /** told of every new authorization, for the audit trail */
  readonly authorized: (issuer: string) => Promise<void>;
  /** told of every renewal, for the audit trail */
  readonly renewed: (issuer: string) => Promise<void>;
}
