import { CodemieError } from "../core/errors.ts";

/** What can go wrong with the local gateway, in the words a person meets. */
export const gatewayFailure = {
  portTaken: (port: number, forbidden: boolean) =>
    new CodemieError(
      "port_taken",
      forbidden ? `this account may not listen on port ${port}` : `port ${port} is taken by another program`,
      "choose another with --port or CODEMIE_PROXY_PORT, or end that program; codemie proxy status shows our own",
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
