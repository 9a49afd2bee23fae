import { Secret } from "../../core/secret.ts";
import { within } from "../../core/time.ts";
import type { Client } from "../../oauth/client.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import type { ServerMetadata } from "../../oauth/metadata.ts";
import { boundTo, revokeToken, type TokenAnswer } from "../../oauth/token-endpoint.ts";
import type { AccessToken } from "../authorization.ts";
import { coversScope } from "./scope.ts";

/** A token and what came with it. */
export interface Grant extends AccessToken {
  readonly refreshToken?: Secret;
  /** ms since the epoch */
  readonly expiresAt?: number;
  /** scopes it was issued for, if known */
  readonly scope?: string;
}

/** A token, and the client that it was issued to. */
export interface HeldGrant {
  readonly grant: Grant;
  readonly client: Client;
}

/** @returns true for the same secret, or none on either side */
export const sameSecret = (a: Secret | undefined, b: Secret | undefined): boolean => a?.reveal() === b?.reveal();

/** @returns true for a token that has not ended and covers the needed scope, if there is one */
export function isOfUse({ scope, expiresAt }: Grant, needed: string | undefined, nowMs: number): boolean {
  const covers = needed === undefined || coversScope(scope, needed);
  return covers && (expiresAt === undefined || expiresAt > nowMs);
}

/**
 * Makes a grant from a token answer.
 *
 * @param client the client that it was issued to
 * @param asked the scopes that we requested
 * @param nowMs now, ms since the epoch
 * @param refreshToken the current refresh token, kept if the server sends no new one
 */
export function grantOf(
  answer: TokenAnswer,
  client: Client,
  asked: string | undefined,
  nowMs: number,
  refreshToken?: Secret,
): Grant {
  const scope = answer.scope ?? asked; // RFC 6749 section 5.1: absent when it equals the request
  const refresh = answer.refresh_token ? new Secret(answer.refresh_token) : refreshToken;
  const proofKey = boundTo(answer, client);
  return {
    accessToken: new Secret(answer.access_token),
    ...(proofKey ? { proofKey } : {}),
    ...(refresh ? { refreshToken: refresh } : {}),
    ...(answer.expires_in ? { expiresAt: nowMs + answer.expires_in * 1000 } : {}),
    ...(scope === undefined ? {} : { scope }),
  };
}

/**
 * Revokes the tokens (RFC 7009) and deletes the registration (RFC 7592 section 2.3), which must not outlive the
 * process, as far as the server lets us. Never throws.
 *
 * @param patienceMs how long it may take, ms
 * @returns true when the server confirmed that all tokens are revoked
 */
export async function giveUp(
  server: ServerMetadata,
  client: Client,
  grant: Grant | undefined,
  http: OAuthHttp,
  patienceMs: number,
): Promise<boolean> {
  const begun = performance.now();
  let open = 0;
  const revoke = async (token: Secret | undefined, hint: "refresh_token" | "access_token") => {
    if (!token) return;
    open++;
    if (await revokeToken(server, client, token.reveal(), hint, http, patienceMs)) open--;
  };
  const { refreshToken, accessToken } = grant ?? {};
  await within(patienceMs, Promise.all([revoke(refreshToken, "refresh_token"), revoke(accessToken, "access_token")]));
  const left = patienceMs - (performance.now() - begun);
  const management = client.registered?.management;
  if (!management || left <= 0) return open === 0;
  const headers = new Headers({ authorization: `Bearer ${management.token.reveal()}` });
  const remove = async () =>
    http.send(http.allowed(management.uri, "the registration"), { method: "DELETE", headers, patienceMs: left });
  await within(left, remove());
  return open === 0;
}

/** Most replaced tokens and registrations that we remember, to give them up at the end. */
const mostLeftovers = 20;

/** Tokens and registrations that were replaced but that the server still accepts. */
export class Leftovers {
  #all: { readonly server: ServerMetadata; readonly client: Client; readonly grant?: Grant | undefined }[] = [];

  /** Adds tokens that a new authorization replaced; their registration is still in use. */
  tokens(server: ServerMetadata, { registered: _, ...client }: Client, grant: Grant): void {
    this.registration(server, client, grant);
  }

  /**
   * Adds a registration that we will not use again, and its tokens.
   *
   * @param server where it was made: no other server gets to see it
   */
  registration(server: ServerMetadata, client: Client, grant?: Grant): void {
    this.#all = [...this.#all, { server, client, grant }].slice(-mostLeftovers);
  }

  /**
   * Gives up all of them, within half of the time. Never throws.
   *
   * @param patienceMs the time for this and what follows, ms
   * @returns how much of it is left, ms
   */
  async giveUp(http: OAuthHttp, patienceMs: number): Promise<number> {
    const begun = performance.now();
    await Promise.all(
      this.#all.map(({ server, client, grant }) => giveUp(server, client, grant, http, patienceMs / 2)),
    );
    this.#all = [];
    return patienceMs - (performance.now() - begun);
  }
}
