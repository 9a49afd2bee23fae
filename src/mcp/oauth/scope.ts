import type { Challenge } from "../challenge.ts";
import type { Deployment } from "./discovery.ts";

/**
 * Chooses the scopes to request (MCP 2025-11-25, scope selection): the user's, else the challenge's, else those that
 * the resource lists, else none, and the server decides. After a 403, the challenge's scopes are added to the user's.
 *
 * @param user the scopes that the user named
 * @param offline true: a refresh token is useful, so add `offline_access` if the server lists it, but never to the user's
 * @returns the scopes, separated by spaces; undefined for none
 */
export function wantedScope(
  user: string | undefined,
  challenge: Challenge,
  { scopes, server }: Deployment,
  offline: boolean,
): string | undefined {
  const step = challenge.status === 403 ? challenge.scope : undefined;
  const base = user ?? challenge.scope ?? (scopes && scopes.length > 0 ? scopes.join(" ") : undefined);
  const wanted = joinScopes(base, step);
  const add =
    wanted !== undefined && user === undefined && offline && server.scopes_supported?.includes("offline_access");
  return add ? joinScopes(wanted, "offline_access") : wanted;
}

/** @returns the union, each scope once (RFC 6749 section 3.3); undefined when empty */
export function joinScopes(a: string | undefined, b: string | undefined): string | undefined {
  const all = new Set([...split(a), ...split(b)]);
  return all.size === 0 ? undefined : [...all].join(" ");
}

/** @returns true when the granted scopes include all needed ones; unknown granted scopes include none */
export function coversScope(granted: string | undefined, needed: string): boolean {
  const have = new Set(split(granted));
  return split(needed).every((scope) => have.has(scope));
}

const split = (scope: string | undefined) => (scope ?? "").split(/\s+/).filter(Boolean);

/** @returns true for an OpenID Connect request, whose answer holds an ID token (OpenID Connect Core 1.0 section 3.1.2.1) */
export const asksForIdToken = (scope: string | undefined): boolean => split(scope).includes("openid");
