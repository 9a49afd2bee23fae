import { CodemieError } from "../core/errors.ts";
import { type ExpectedRedirect, mustAllow, providersTrouble } from "../core/hints.ts";
import { printable } from "../core/text.ts";

const statusHints: Readonly<Record<number, string>> = {
  403: "ask the server's administrator for access",
  404: "check the path of the address: it is often /mcp or /sse",
  405: "check the path of the address, or choose --transport http or sse",
  413: "the message is longer than the server accepts; send less at a time",
  429: "the server asks for fewer requests; try again later",
};

const forgotten =
  "where the bridge registered itself, the next try registers anew, and codemie mcp logout with the server's address forgets the login";

const refusalHints: ReadonlyMap<string, string> = new Map(
  Object.entries({
    access_denied: "the authorization was declined; try again in a minute to be asked once more",
    consent_required: "have the administrator of the authorization server give this client the consent",
    server_error: providersTrouble,
    temporarily_unavailable: providersTrouble,
    invalid_client: `check --client-id and its secret or key; ${forgotten}`,
    unauthorized_client: `this client may not use this grant; check --client-id and --grant; ${forgotten}`,
    invalid_grant: `try again in a minute; ${forgotten}`,
    invalid_scope: "check --scope",
    invalid_target: "check --resource, or leave it out with --no-resource",
  }),
);

/** Failures of the bridge to MCP servers, as users see them. */
export const mcpFailure = {
  status: (origin: string, status: number, detail?: string) =>
    new CodemieError(
      status === 403 ? "auth_refused" : "server_error",
      `${origin} answered ${status}${detail ? `: ${printable(detail)}` : ""}`,
      statusHints[status] ?? (status >= 500 ? "try again in a moment" : "check the address of the MCP server"),
      { forLog: `${origin} answered ${status}` },
    ),
  notMcp: (origin: string, what: string) =>
    new CodemieError(
      "wrong_base_url",
      `${origin} does not answer like an MCP server: ${printable(what)}`,
      "check the address; run codemie mcp-proxy --explain with it to see what it answers",
      { forLog: `${origin} does not answer like an MCP server` },
    ),
  redirect: (address: string, target: string) =>
    new CodemieError(
      "wrong_base_url",
      `${address} redirects to ${printable(target, 200)}, which is not followed`,
      /^http:/.test(target)
        ? "report it to the server's administrator: it leads to plain http:, which would send messages and tokens in clear text"
        : "register the address it leads to, if you trust it",
      { forLog: "a redirect was not followed" },
    ),
  lost: (origin: string) =>
    new CodemieError(
      "unreachable",
      `the connection to ${origin} ended before the answer came; it is not known whether the request took effect`,
      "check whether it took effect before you try again",
    ),
  messageTooLong: (bytes: number) =>
    new CodemieError(
      "server_error",
      `the server sent a message longer than ${bytes} bytes, which was dropped`,
      "ask for less at a time",
    ),
  tooDeep: (levels: number) =>
    new CodemieError(
      "server_error",
      `the server sent a message nested deeper than ${levels} levels, which was dropped`,
      "report it to the server's administrator",
    ),
  cancelled: () => new CodemieError("interrupted", "the request was cancelled before it was sent"),
  notReopened: (origin: string, said: string) =>
    new CodemieError(
      "server_error",
      `${origin} refuses to open the session again: ${printable(said)}`,
      "do what it says, or restart the server in the client",
      { forLog: `${origin} refuses to open the session again` },
    ),
  silent: (origin: string, ms: number) =>
    new CodemieError(
      "unreachable",
      `${origin} sent nothing for ${Math.round(ms / 1000)} s`,
      "try again; --timeout SECONDS gives the server more time",
    ),
  unanswered: (origin: string) =>
    new CodemieError(
      "server_error",
      `${origin} accepted the request but did not answer it`,
      "report it to the server's administrator",
    ),
  noCommonVersion: (origin: string, versions: readonly string[], ours: string) =>
    new CodemieError(
      "server_error",
      `${origin} ${versions.length > 0 ? `speaks MCP ${versions.join(", ")}` : "does not say which revision of MCP it speaks"}, and the bridge ${ours} and those before it`,
      "update codemie, or report it to the server's administrator",
      { forLog: `${origin} speaks no revision of MCP that the bridge knows` },
    ),
  noBatch: (origin: string) =>
    new CodemieError(
      "server_error",
      `${origin} takes one message at a time, and the client sent several in one`,
      "report it to the client's makers: the revision of MCP that both speak has no batches",
    ),
  inputWithoutEnd: (origin: string, rounds: number) =>
    new CodemieError(
      "server_error",
      `${origin} asked for input ${rounds} times in one call, and again`,
      "report it to the server's administrator",
    ),
  inputRefused: (origin: string, why: string) =>
    new CodemieError(
      "server_error",
      `${origin} needs input before it can go on: ${printable(why)}`,
      "use a client that has what the server asks for, or answer it",
      { forLog: `${origin} needs input that it did not get` },
    ),
  closing: () => new CodemieError("terminated", "the bridge is ending", "start it again"),
  headerRefused: (origin: string, status: number) =>
    new CodemieError(
      "auth_refused",
      `${origin} answered ${status} to the Authorization header given with --header`,
      "check it, or leave it out to log in through the browser",
    ),
  tokenRefused: (origin: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} does not accept the access token that was issued for it`,
      "run codemie mcp-proxy --explain with its address, and show the result to its administrator",
    ),
  noBoundTokens: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the server takes only tokens that are bound to a key (DPoP, RFC 9449), and it and the authorization server ${printable(issuer, 120)} do not both take keys with ES256`,
      "show this to the server's administrator",
    ),
  issuer: (expected: string, found: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(expected, 120)} says it is ${printable(found, 120)} (RFC 8414 section 3.3)`,
      "report it to the server's administrator: the issuer must be the address at which its metadata is found",
      { forLog: "the authorization server says it is another one" },
    ),
  otherIssuer: (expected: string, found: string) =>
    new CodemieError(
      "auth_refused",
      `the server names the authorization server ${printable(found, 120)}, not ${printable(expected, 120)}`,
      "if that is right, start the bridge again; if you gave --issuer, change it",
      { forLog: "the server names another authorization server" },
    ),
  /** @param host where the proof would go */
  nameIssuer: (found: string, host: string, proof: "secret" | "signed assertion") =>
    new CodemieError(
      "auth_refused",
      `the server names the authorization server ${printable(found, 120)} with an endpoint at ${printable(host, 120)}; the bridge sends the client's ${proof} there only with --issuer`,
      `if the client is registered there, give --issuer ${printable(found, 120)}`,
      { forLog: "the client proves itself to no host but the server's without --issuer" },
    ),
  /** @param host where the page is */
  foreignPage: (issuer: string, host: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} has its login page on another host, ${printable(host, 120)}, and does not promise to name itself in the answer (RFC 9207)`,
      `it may be another server's page, whose login this server would get; if you know that both belong together, give --issuer ${printable(issuer, 120)}`,
      { forLog: "the login page is on another host than the authorization server's" },
    ),
  resource: (address: string, found: string) =>
    new CodemieError(
      "auth_refused",
      `the metadata of ${printable(address, 120)} is for another resource, ${printable(found, 120)} (RFC 9728 section 3.3)`,
      "report it to the server's administrator; --resource with that address would send this server a token made for that address",
      { forLog: "the metadata is for another resource" },
    ),
  noMetadata: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} has no metadata at its well-known addresses (RFC 8414 section 3)`,
      "report it to the server's administrator",
      { forLog: "the authorization server has no metadata at its well-known addresses" },
    ),
  nobodyToLogIn: (origin: string) =>
    new CodemieError(
      "auth_needed",
      `${origin} needs a login, and nobody can log in here: a job in CI has no browser`,
      "give the bridge a token (--header-env 'Authorization: VARIABLE'), or a client that needs no person (--grant client-credentials)",
    ),
  noEnterprise: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} does not take a company's word for a person (MCP's enterprise-managed authorization)`,
      "ask its administrator, or log in through the browser: leave out --grant",
      { forLog: "the authorization server does not list the enterprise grant" },
    ),
  clientNeeded: (grant: string) =>
    new CodemieError(
      "usage",
      `--grant ${grant} needs a client that the authorization server knows`,
      grant === "enterprise"
        ? "name it with --client-id, and its secret with --client-secret-env or its key with --client-key; or with --client-metadata-url"
        : "name it with --client-id, and its secret with --client-secret-env or its key with --client-key",
    ),
  /** @param expected where the server should have sent the browser; undefined when it registered that itself */
  timedOut: (issuer: string, seconds: number, expected: ExpectedRedirect | undefined) =>
    new CodemieError(
      "auth_timeout",
      `nobody finished the authorization at ${printable(issuer, 120)} within ${seconds} s`,
      `${expected ? `${mustAllow(expected)}; ` : ""}look at the page in the browser: it may say why; try again in a minute, and the bridge registers itself anew (with --persist, codemie mcp logout and the server's address forget the login); --auth-timeout SECONDS gives more time, and the address to open is in logs/mcp-proxy.log`,
    ),
  noLogin: (origin: string) =>
    new CodemieError(
      "auth_refused",
      `${printable(origin, 120)} demands a credential and offers no login`,
      "if it takes a key, name the variable that holds the key, for example --header-env 'Authorization: Bearer MCP_KEY'",
    ),
  justAsked: (origin: string) =>
    new CodemieError(
      "auth_needed",
      `another window asked for access to ${origin} and did not get it`,
      "try again in a minute to be asked once more",
    ),
  /** @param minutes within which the authorizations took place */
  askedTooOften: (origin: string, times: number, minutes: number) =>
    new CodemieError(
      "auth_needed",
      `${origin} demanded ${times} authorizations within ${minutes} minutes, so no further one was begun`,
      "report it to the server's administrator, or try again later",
    ),
  loginNeeded: (origin: string) =>
    new CodemieError(
      "auth_needed",
      `${origin} demands an authorization`,
      "use one of its tools to start the authorization",
    ),
  idTokenExpired: (atMs: number) =>
    new CodemieError(
      "auth_expired",
      `the ID token expired at ${new Date(atMs).toISOString()}`,
      "put a new one into the variable of --id-token-env; an OpenID profile's is renewed by itself, unless its provider repeats the old one",
    ),
  scope: (origin: string, scope: string | undefined) =>
    new CodemieError(
      "auth_refused",
      `${origin} demands ${scope === undefined ? "more than was granted" : `the scope ${printable(scope, 120)}`}, and asking for it did not help`,
      "ask the server's administrator for the permission",
      { forLog: `${origin} demands a scope, and asking for it did not help` },
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
  longRequest: (issuer: string, most: number) =>
    new CodemieError(
      "auth_refused",
      `the address for the login at ${printable(issuer, 120)} would have more than ${most} characters`,
      "the server asks for too many scopes: name those you need with --scope, or report it to the server's administrator",
    ),
  token: (issuer: string, why: string) =>
    new CodemieError(
      "auth_refused",
      `no token from ${printable(issuer, 120)}: ${printable(why)}`,
      "try again; if it happens again, report it to the server's administrator",
    ),
  otherAnswer: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the answer in the browser did not come from ${printable(issuer, 120)} (RFC 9207)`,
      "nothing was accepted; report it to the server's administrator",
    ),
  codeEnded: (issuer: string) =>
    new CodemieError(
      "auth_timeout",
      `the device code of ${printable(issuer, 120)} ended before anybody entered it`,
      "try again in a minute for a new one",
    ),
  deviceRefused: (issuer: string, code: string, description: string) =>
    new CodemieError(
      "auth_refused",
      `${printable(issuer, 120)} refused the login by device code: ${printable(code, 60)}${description ? ` (${printable(description, 200)})` : ""}`,
      code === "invalid_client"
        ? refusalHints.get("invalid_client")
        : "if its rules forbid device codes, leave out --device-code; where no browser opens, give --callback-port N and forward that port from the machine that has one (ssh -L N:localhost:N)",
      { forLog: `${printable(issuer, 120)} refused the device code` },
    ),
  refused: (issuer: string, code: string, description: string) =>
    new CodemieError(
      "auth_refused",
      `${printable(issuer, 120)} refused: ${printable(code, 60)}${description ? ` (${printable(description, 200)})` : ""}`,
      refusalHints.get(code) ?? "run codemie mcp-proxy --explain with the server's address to see each step",
      { forLog: `${printable(issuer, 120)} refused` },
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
