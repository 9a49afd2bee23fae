import { printable } from "./text.ts";

/**
 * @param url the host to log in to, when it is known
 * @returns the hint to log in
 */
export const login = (url?: string) => `run codemie profile login${url ? ` --url ${url}` : ""}`;

/**
 * One host may have several profiles, so the command names every profile but `default`.
 *
 * @param origin the profile's host
 * @param profile the profile's name, when there is one
 * @returns the command that logs the profile in
 */
export const loginCommand = (origin: string, profile?: string) =>
  profile === undefined || profile === "default"
    ? `codemie profile login --url ${origin}`
    : `codemie profile login --profile ${printable(profile, 64)}`;

/** Where a provider should have sent the browser, and for which client. */
export interface ExpectedRedirect {
  readonly redirect: URL;
  readonly clientId: string;
  /** false: the port is another one at each login */
  readonly isFixed: boolean;
}

/** @returns what to check at a provider that never sent the browser back */
export function mustAllow({ redirect, clientId, isFixed }: ExpectedRedirect): string {
  const must = `the provider must allow the redirect ${redirect.href} for client ${printable(clientId, 80)}`;
  return isFixed
    ? must
    : `${must}, on any port; if it compares ports, choose one with --callback-port and register that`;
}

/** The hint for a provider that cannot answer now. */
export const providersTrouble = "this is the provider's own trouble: try again later";
