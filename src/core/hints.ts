import { printable } from "./text.ts";

/** @returns the hint to log in, at a host where one is named */
export const login = (url?: string) => `run codemie profile login${url ? ` --url ${url}` : ""}`;

/**
 * The command that logs a profile in. One host may have several profiles: unless it is the first one's, the name has to be
 * said.
 */
export const loginCommand = (origin: string, profile?: string) =>
  profile === undefined || profile === "default"
    ? `codemie profile login --url ${origin}`
    : `codemie profile login --profile ${printable(profile, 64)}`;
