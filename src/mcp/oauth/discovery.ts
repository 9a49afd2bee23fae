import { checkResourceAllowed } from "@modelcontextprotocol/sdk/shared/auth-utils.js";
import { CodemieError } from "../../core/errors.ts";
import { parseJson, type Schema } from "../../core/json.ts";
import { addressOnly } from "../../core/text.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import {
  endpointName,
  proofEndpoints,
  type ResourceMetadata,
  resourceMetadata,
  type ServerMetadata,
  serverMetadata,
} from "../../oauth/metadata.ts";
import type { Trace } from "../../oauth/trace.ts";
import { mcpFailure } from "../failures.ts";

/** How an MCP server is protected. */
export interface Deployment {
  /** the resource indicator to send (RFC 8707), exactly as the user or the metadata gives it; undefined: none */
  readonly resource: string | undefined;
  /** scopes that the resource lists */
  readonly scopes: readonly string[] | undefined;
  readonly server: ServerMetadata;
  /** true: the resource takes tokens only that are bound to a key (RFC 9728 section 2) */
  readonly takesBoundOnly: boolean;
  /** signatures of proofs that the resource takes; undefined: it lists none */
  readonly proofAlgorithms: readonly string[] | undefined;
  /** true: there is no metadata, so these are the fixed endpoints of MCP 2025-03-26 */
  readonly guessed: boolean;
}

export interface DiscoveryOptions {
  /** the MCP server's address */
  readonly url: URL;
  /** address of the resource metadata from the challenge (`resource_metadata`), if it names one */
  readonly named: string | undefined;
  /** the user's resource indicator; `none` sends none */
  readonly resource: string | undefined;
  /** the only authorization server that the user accepts; undefined: any */
  readonly issuer: string | undefined;
  /** what was discovered before; it stays unless the resource's metadata names another authorization server */
  readonly known?: Deployment | undefined;
  readonly http: OAuthHttp;
  readonly trace: Trace;
}

const rfc9728 = "RFC 9728 section 3";
const rfc8414 = "RFC 8414 section 3";
const serverDocument = "authorization server metadata";

/**
 * Discovers how a server is protected: reads the protected resource metadata (from the challenge, else at the
 * well-known addresses), then the authorization server's metadata (at each of its well-known addresses). A server
 * without resource metadata follows MCP 2025-03-26: it is its own authorization server, with fixed endpoints if it has
 * no metadata at all.
 *
 * @returns the authorization server, and what to ask it for
 * @throws `auth_refused` when the metadata must not be followed; `server_error`, `unreachable`, `tls`
 */
export async function discover(options: DiscoveryOptions): Promise<Deployment> {
  const { url, known, http, trace } = options;
  const { found: resource, trouble } = await findResource(options);
  const wanted = options.resource === "none" ? undefined : (options.resource ?? resource?.resource);
  const [first] = resource?.authorization_servers ?? [];
  const common = {
    resource: wanted,
    scopes: resource?.scopes_supported,
    takesBoundOnly: resource?.dpop_bound_access_tokens_required === true,
    proofAlgorithms: resource?.dpop_signing_alg_values_supported,
  };
  if (first === undefined) {
    if (known) return known;
    if (options.issuer !== undefined && !sameOrigin(options.issuer, url.origin)) {
      throw mcpFailure.otherIssuer(options.issuer, url.origin);
    }
    const found = await findServer(url.origin, http, trace);
    // The document that names the real authorization server may be at the address that failed.
    if (!found && trouble) throw trouble;
    const server = found ?? fixedEndpoints(url.origin, trace);
    if (!sameOrigin(server.issuer, url.origin)) throw mcpFailure.issuer(url.origin, server.issuer);
    return checked({ ...common, server, guessed: !found }, options);
  }
  const named = resource?.authorization_servers?.find((one) => sameIssuer(one, options.issuer ?? first));
  if (named === undefined) throw mcpFailure.otherIssuer(options.issuer ?? "", first);
  if (known && sameIssuer(known.server.issuer, named)) return { ...known, ...common };
  const server = await findServer(named, http, trace);
  if (!server) throw mcpFailure.noMetadata(named);
  if (!sameIssuer(server.issuer, named)) {
    trace({ name: "issuer", ok: false, detail: `it is ${server.issuer}`, reference: "RFC 8414 section 3.3" });
    throw mcpFailure.issuer(named, server.issuer);
  }
  return checked({ ...common, server, guessed: false }, options);
}

function checked(deployment: Deployment, { issuer, http, trace }: DiscoveryOptions): Deployment {
  const { server } = deployment;
  if (issuer !== undefined && !sameIssuer(server.issuer, issuer)) throw mcpFailure.otherIssuer(issuer, server.issuer);
  for (const endpoint of [...proofEndpoints, "registration_endpoint"] as const) {
    if (server[endpoint] !== undefined) http.allowed(server[endpoint], endpointName(endpoint));
  }
  trace({ name: "issuer", ok: true, detail: server.issuer, reference: "RFC 8414 section 3.3" });
  return deployment;
}

async function findResource(options: DiscoveryOptions): Promise<Search<ResourceMetadata>> {
  const { url, named, http, trace } = options;
  const wellKnown = "/.well-known/oauth-protected-resource";
  const [name, schema] = ["protected resource metadata", resourceMetadata] as const;
  const asked =
    named === undefined ? undefined : await orFailure(firstFound([named], name, rfc9728, schema, http, trace));
  const candidates = [
    ...(url.pathname === "/" ? [] : [`${url.origin}${wellKnown}${url.pathname.replace(/\/$/, "")}${url.search}`]),
    `${url.origin}${wellKnown}`,
  ];
  const isFound = asked !== undefined && !(asked instanceof CodemieError) && asked.found !== undefined;
  const search = isFound ? asked : await firstFound(candidates, name, rfc9728, schema, http, trace);
  const { found } = search;
  if (!found && asked instanceof CodemieError) throw asked;
  if (!found) return search.trouble ? search : ((asked as Search<ResourceMetadata> | undefined) ?? search);
  // Trust the resource that the user named. A resource that only the metadata names must cover the server's address.
  const covers = found.resource === options.resource || covering(found.resource, url);
  const reference = "RFC 9728 section 3.3";
  trace({ name: "resource", ok: covers, detail: found.resource, reference });
  if (!covers) throw mcpFailure.resource(url.origin + url.pathname, found.resource);
  return search;
}

/** @returns what the work returns, or its failure: an address that a challenge names is not the only place to look */
async function orFailure<T>(work: Promise<T>): Promise<T | CodemieError> {
  return await work.catch((error: unknown) => {
    if (error instanceof CodemieError) return error;
    throw error;
  });
}

/** @returns true when a resource indicator covers an address: same origin, and its path begins the address's path */
export function covering(resource: string, url: URL): boolean {
  return URL.canParse(resource) && checkResourceAllowed({ requestedResource: url.href, configuredResource: resource });
}

/**
 * Reads the metadata of an authorization server (RFC 8414 section 3.1, OpenID Connect Discovery 1.0 section 4).
 *
 * @returns the metadata, whose issuer the caller has to check; undefined if there is none
 * @throws as {@link discover}
 */
export async function findServer(issuer: string, http: OAuthHttp, trace: Trace): Promise<ServerMetadata | undefined> {
  const url = http.allowed(issuer, "the authorization server");
  const path = url.pathname.replace(/\/$/, "");
  const candidates = [
    `${url.origin}/.well-known/oauth-authorization-server${path}`,
    `${url.origin}/.well-known/openid-configuration${path}`,
    ...(path === "" ? [] : [`${url.origin}${path}/.well-known/openid-configuration`]),
  ];
  const { found, trouble } = await firstFound(candidates, serverDocument, rfc8414, serverMetadata, http, trace);
  if (!found && trouble) throw trouble;
  return found;
}

/** The endpoints of a server without metadata (MCP 2025-03-26, fallbacks). */
function fixedEndpoints(origin: string, trace: Trace): ServerMetadata {
  const detail = "none: the fixed endpoints of MCP 2025-03-26";
  trace({ name: serverDocument, ok: true, detail, reference: "MCP 2025-03-26" });
  return {
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    registration_endpoint: `${origin}/register`,
  };
}

/** The first document found; `trouble`: none was found, and an address answered 500 or above, which does not mean that there is none. */
interface Search<T> {
  readonly found?: T;
  readonly trouble?: CodemieError;
}

/** Looks for a document at all its addresses, one after the other. */
async function firstFound<T>(
  candidates: readonly string[],
  name: string,
  reference: string,
  schema: Schema<T>,
  http: OAuthHttp,
  trace: Trace,
): Promise<Search<T>> {
  let trouble: CodemieError | undefined;
  for (const candidate of new Set(candidates)) {
    const url = http.allowed(candidate, `the ${name}`);
    const { status, text } = await http.read(url);
    const found = status === 200 ? parseJson(text, schema) : undefined;
    const bad = status === 200 && !found ? " (not such a document)" : "";
    trace({ name, ok: found !== undefined, detail: `${status} ${addressOnly(url)}${bad}`, reference });
    if (found) return { found };
    if (status >= 500) trouble ??= mcpFailure.status(url.origin, status);
  }
  return trouble ? { trouble } : {};
}

/** Compares issuers as addresses, without a final slash: servers use both spellings. */
function sameIssuer(a: string, b: string): boolean {
  const plain = (text: string) => (URL.parse(text)?.href ?? text).replace(/\/$/, "");
  return plain(a) === plain(b);
}

function sameOrigin(address: string, origin: string): boolean {
  return URL.parse(address)?.origin === origin;
}
