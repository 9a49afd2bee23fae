import type { Secret } from "../core/secret.ts";
import { type ProviderName, providers } from "../profiles/providers.ts";
import { type CookieSet, cookieHeader } from "./cookies.ts";
import type { Proofs } from "./proofs.ts";

/** Puts a credential on a request: removes competing headers, sets its own. */
export interface Authorize {
  (headers: Headers): void;
  /** set when each request needs a proof besides, which is another one each time */
  readonly proofs?: Proofs;
}

/** @returns the function that puts session cookies on a request and removes `Authorization` */
export function authorizeWithCookies(set: CookieSet): Authorize {
  const cookie = cookieHeader(set);
  return (headers) => {
    headers.delete("authorization");
    headers.set("cookie", cookie);
  };
}

/** @returns the function that puts a bearer token (RFC 6750 section 2.1) on a request and removes `Cookie` */
export function authorizeWithBearer(token: Secret): Authorize {
  return (headers) => {
    headers.delete("cookie");
    headers.set("authorization", `Bearer ${token.reveal()}`);
  };
}

/** @returns the function that puts a token on a request that is bound to a key (RFC 9449 section 7.1), and removes `Cookie` */
export function authorizeWithProofs(token: Secret, proofs: Proofs): Authorize {
  const put = (headers: Headers) => {
    headers.delete("cookie");
    headers.set("authorization", `DPoP ${token.reveal()}`);
  };
  return Object.assign(put, { proofs });
}

/** @returns the function that puts a model provider's key on a request and removes all other credentials */
export function authorizeWithKey(provider: ProviderName, key: Secret): Authorize {
  const { header } = providers[provider];
  const value = header === "authorization" ? `Bearer ${key.reveal()}` : key.reveal();
  return (headers) => {
    for (const name of ["cookie", "authorization", "x-api-key", "api-key"]) headers.delete(name);
    headers.set(header, value);
  };
}
