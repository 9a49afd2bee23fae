import type { Challenge } from "../challenge.ts";
import type { Deployment } from "./discovery.ts";

/**
 * Chooses the scopes to ask for (MCP 2025-11-25, scope selection): the user's, else the challenge's, else those the resource
 * lists, else none is named and the server decides.
 *
 * @param user the scopes the user named
 * @param offline whether a refresh token is of use: then `offline_access` is added, where the server lists it
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
  const add = wanted !== undefined && offline && server.scopes_supported?.includes("offline_access");
  return add ? joinScopes(wanted, "offline_access") : wanted;
}

/** @returns both, each scope once (RFC 6749 section 3.3) */
export function joinScopes(a: string | undefined, b: string | undefined): string | undefined {
  const all = new Set([...split(a), ...split(b)]);
  return all.size === 0 ? undefined : [...all].join(" ");
}

/** @returns whether what was granted holds all that is needed; what is not known holds nothing */
export function coversScope(granted: string | undefined, needed: string): boolean {
  const have = new Set(split(granted));
  return split(needed).every((scope) => have.has(scope));
}

const split = (scope: string | undefined) => (scope ?? "").split(/\s+/).filter(Boolean);
