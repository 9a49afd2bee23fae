import { CodemieError } from "../core/errors.ts";

/** Failures of the local gateway, as users see them. */
export const gatewayFailure = {
  /** @param forbidden true: the system does not let this account listen on the port */
  portTaken: (port: number, forbidden: boolean) =>
    new CodemieError(
      "port_taken",
      forbidden ? `this account may not listen on port ${port}` : `port ${port} is taken by another program`,
      forbidden
        ? "choose another port with --port or CODEMIE_PROXY_PORT"
        : "choose another port with --port or CODEMIE_PROXY_PORT, or end that program; codemie proxy status lists our gateways",
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
