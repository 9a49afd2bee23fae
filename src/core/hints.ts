import { printable } from "./text.ts";

/**
 * @param url the host to log in to, when it is known
 * @returns the hint to log in
 */
export const login = (url?: string) => `run codemie profile login${url ? ` --url ${url}` : ""}`;

/**
 * One host may have several profiles, and a command that names the host alone takes the active one.
 *
 * @param origin the profile's host
 * @param profile the profile's name, when it is in the configuration
 * @returns the command that logs the profile in
 */
export const loginCommand = (origin: string, profile?: string) =>
  profile === undefined
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
