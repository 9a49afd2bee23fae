import { CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";

const mcpRefusalHints: Readonly<Record<string, string>> = {
  access_denied: "the authorization was declined; try again in a minute to be asked once more",
  invalid_client: "check --client-id and its secret or key",
  unauthorized_client: "this client may not use this grant; check --client-id and --grant",
  invalid_scope: "check --scope",
  invalid_target: "check --resource, or leave it out with --no-resource",
};

/** What can go wrong with authorization servers, in the words a person meets. */
export const oauthFailure = {
  provider: (issuer: string, why: string) =>
    new CodemieError(
      "server_error",
      `the identity provider ${printable(issuer, 120)} cannot be used: ${printable(why)}`,
      "check --issuer, or ask the provider's administrator",
    ),
  providerRefused: (issuer: string, code: string, description: string) =>
    new CodemieError(
      "auth_refused",
      `the identity provider ${printable(issuer, 120)} refused: ${printable(code, 60)}${description ? ` (${printable(description, 200)})` : ""}`,
      code === "access_denied"
        ? "the login was declined; run the command again to allow it"
        : "check --client-id and --scope",
    ),
  idToken: (issuer: string, why: string) =>
    new CodemieError(
      "auth_refused",
      `the ID token of ${printable(issuer, 120)} was not accepted: ${printable(why)}`,
      "nothing was stored; check this machine's clock, --issuer and --client-id",
    ),
  address: (what: string, address: string) =>
    new CodemieError(
      "auth_refused",
      `${what} that the server names cannot be used: ${printable(address, 200)}`,
      "only https: addresses are followed (http: on this machine, for a server on this machine); report it to the server",
      { forLog: `${what} that the server names cannot be used` },
    ),
  tooLong: (address: string, bytes: number) =>
    new CodemieError(
      "server_error",
      `${printable(address, 200)} sent more than ${bytes} bytes`,
      "this is no metadata; report it to the server",
      { forLog: "a document was too long" },
    ),
  noPkce: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} does not support PKCE with S256 (RFC 7636)`,
      "an authorization without it could be stolen; report it to the server's administrator",
    ),
  noCodeFlow: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} does not support the authorization code flow`,
      "try --grant client-credentials with a client of your own",
    ),
  key: (why: string) =>
    new CodemieError("usage", `the client's key cannot be used: ${why}`, "check --client-key or --client-key-env"),
  token: (issuer: string, why: string) =>
    new CodemieError(
      "auth_refused",
      `no token from ${printable(issuer, 120)}: ${printable(why)}`,
      "try again; if it stays so, report it to the server's administrator",
    ),
  otherAnswer: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the answer in the browser did not come from ${printable(issuer, 120)} (RFC 9207)`,
      "nothing was accepted; report it to the server's administrator",
    ),
  refused: (issuer: string, code: string, description: string) =>
    new CodemieError(
      "auth_refused",
      `${printable(issuer, 120)} refused: ${printable(code, 60)}${description ? ` (${printable(description, 200)})` : ""}`,
      mcpRefusalHints[code] ?? "run codemie mcp-proxy --explain with the server's address to see each step",
      { forLog: `${printable(issuer, 120)} refused` },
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
