import { checkResourceAllowed } from "@modelcontextprotocol/sdk/shared/auth-utils.js";
import { type Capabilities, type Flow, originalOf, type Role } from "./capability.ts";
import { RelayRefusal } from "./refusal.ts";

/** JSON of a document, as it came. */
export type Document = Readonly<Record<string, unknown>>;

/** Stands for an address that no client may follow: one that is not of the web. */
const blocked = "urn:codemie:blocked:address";

/** How many authorization servers of a resource a client is told of. */
const mostServers = 16;

/** How many resources of an authorization server, and how many addresses that no specification names. */
const [mostResources, mostOthers] = [256, 64];

/**
 * Members that cannot be true behind a relay. A signed document would lead around it. Aliases for clients with a certificate
 * need a connection of the client's own. A DPoP proof names the address that the client sees (RFC 9449 section 4.2).
 */
const dropped = new Set(["signed_metadata", "mtls_endpoint_aliases", "dpop_signing_alg_values_supported"]);

/** Addresses that a browser opens, with what no client adds to: they lead to the server itself. */
const forBrowsers = new Set(["end_session_endpoint", "service_documentation", "resource_documentation"]);

const roleOfMember: Readonly<Record<string, Role>> = {
  authorization_endpoint: "authorize",
  registration_endpoint: "register",
  registration_client_uri: "register",
  token_endpoint: "token",
  pushed_authorization_request_endpoint: "push",
};

/** The endpoints where a client says where the browser returns to. */
const returning: ReadonlySet<Role> = new Set(["authorize", "register", "push"]);

/**
 * Maps addresses of one flow, in both directions. A client sees addresses of the gateway alone, and servers see none of them.
 */
export class Rewriter {
  readonly #capabilities: Capabilities;
  readonly #flow: Flow;

  constructor(capabilities: Capabilities, flow: Flow) {
    this.#capabilities = capabilities;
    this.#flow = flow;
  }

  /**
   * @param text an address that a server names
   * @param at the address that a relative one is relative to
   * @param issuer of that address, where its answers in the browser name it (RFC 9207)
   * @returns the relay's address for it; it is judged when the client uses it
   */
  address(role: Role, text: string, at?: URL, issuer?: string): string {
    const url = URL.parse(text, at?.href);
    if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) return blocked;
    const path = role === "issuer" && url.pathname === "/" && !text.endsWith("/") ? "" : url.pathname;
    return this.#capabilities.handOut(this.#flow, role, url, path, returning.has(role) ? issuer : undefined);
  }

  /**
   * The client's own address stands for the MCP server's. A resource that does not cover the MCP server stays as it is, so that
   * the client refuses it (RFC 9728 section 7.3): the token for another server's resource would go to this one.
   */
  resource(text: string): string {
    if (!this.#covers(text)) return text;
    return this.#capabilities.entry(this.#flow, text === this.#flow.original ? undefined : encodeURIComponent(text));
  }

  /**
   * The way back of {@link Rewriter.resource}.
   *
   * @param text a resource that the client names
   * @returns the MCP server's own name for it; other texts as they are
   * @throws RelayRefusal for a resource of another MCP server of the relay
   */
  original(text: string): string {
    const prefix = this.#capabilities.entry(this.#flow, "");
    if (!text.startsWith(prefix)) return text;
    const original = originalOf(text.slice(prefix.length));
    if (original === undefined || !this.#covers(original))
      throw new RelayRefusal(
        403,
        "other-resource",
        "this resource belongs to another MCP server than the authorization does",
      );
    return original;
  }

  #covers(resource: string): boolean {
    const requestedResource = this.#flow.original;
    if (!URL.canParse(resource) || !URL.canParse(requestedResource)) return false;
    return checkResourceAllowed({ requestedResource, configuredResource: resource });
  }

  /** @returns the metadata of a protected resource (RFC 9728 section 2) as the client may see it */
  resourceDocument(document: Document): Document {
    const { authorization_servers: named, resource } = document;
    const servers = (Array.isArray(named) ? named : []).filter((one) => typeof one === "string").slice(0, mostServers);
    // Without one, the MCP server is its own authorization server (MCP 2025-03-26), at the address of its origin.
    const [own = ""] = servers.length > 0 ? [] : [URL.parse(this.#flow.original)?.origin];
    return {
      ...this.#members(document),
      ...(typeof resource === "string" ? { resource: this.resource(resource) } : {}),
      authorization_servers: (own ? [own] : servers).map((one) => this.address("issuer", one)),
    };
  }

  /** @returns what stands for the metadata of a server that has none (MCP 2025-03-26, fallbacks) */
  resourceWithoutDocument(): Document {
    return this.resourceDocument({ resource: this.#flow.original });
  }

  /**
   * @param about what the document is about, as it calls itself and as the client names it
   * @returns the metadata of an authorization server (RFC 8414 section 2) as the client may see it
   */
  serverDocument(document: Document, about?: { readonly real: string; readonly shown: string }): Document {
    const { issuer, protected_resources: resources } = document;
    const isSelf =
      about !== undefined && typeof issuer === "string" && withoutSlash(issuer) === withoutSlash(about.real);
    const shown = isSelf ? about.shown : typeof issuer === "string" ? this.address("issuer", issuer) : issuer;
    const isNamed = document.authorization_response_iss_parameter_supported === true && typeof issuer === "string";
    return {
      ...this.#members(document, isNamed ? (isSelf ? about.real : issuer) : undefined),
      ...(issuer === undefined ? {} : { issuer: shown }),
      ...(Array.isArray(resources)
        ? {
            protected_resources: resources
              .slice(0, mostResources)
              .map((one) => (typeof one === "string" ? this.resource(one) : one)),
          }
        : {}),
    };
  }

  /** @returns what stands for the metadata of an authorization server that has none (MCP 2025-03-26, fallbacks) */
  serverWithoutDocument(origin: string, shown: string): Document {
    const document = {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      registration_endpoint: `${origin}/register`,
      response_types_supported: ["code"],
    };
    return this.serverDocument(document, { real: origin, shown });
  }

  /** @returns a client's registration (RFC 7591 section 3.2.1) as it may see it */
  registration(document: Document, issuer: string | undefined): Document {
    return this.#members(document, issuer);
  }

  #members(document: Document, issuer?: string): Document {
    let others = 0;
    const shown = Object.entries(document).flatMap(([name, value]): [string, unknown][] => {
      if (dropped.has(name)) return [];
      const isAddress = name.endsWith("_endpoint") || name === "jwks_uri" || name === "registration_client_uri";
      if (typeof value !== "string" || !isAddress || forBrowsers.has(name)) return [[name, value]];
      const isKnown = Object.hasOwn(roleOfMember, name);
      // Each one costs a keyed hash: a document of 1 MB can hold tens of thousands.
      if (!isKnown && ++others > mostOthers) return [];
      return [[name, this.address((isKnown && roleOfMember[name]) || "endpoint", value, undefined, issuer)]];
    });
    return Object.fromEntries(shown);
  }

  /**
   * Rewrites the addresses in challenges (RFC 9110 section 11.6.1, RFC 9728 section 5.1): any scheme, several in one header, with
   * and without quotes, and in the extended form of RFC 8187. Ends before what is no challenge: nobody knows what a client would
   * read there. No other parameter keeps what looks like one with an address: clients look for those with a pattern, in texts too.
   */
  challenge(header: string, at: URL): string {
    let shown = "";
    for (const [whole, before = "", name = "", quoted, bare] of header.matchAll(element)) {
      const value = quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1");
      const own = value === undefined ? undefined : this.#parameter(before, name, value, at);
      shown +=
        own ?? (leads(whole) || leads(value ?? "") ? `${before}${leads(`${name}=`) ? "blocked" : name}=""` : whole);
    }
    return shown;
  }

  /** @returns a parameter with the relay's address; undefined for one without an address */
  #parameter(before: string, name: string, value: string, at: URL): string | undefined {
    switch (name.toLowerCase()) {
      case "resource_metadata":
        return `${before}${name}="${this.address("resource", value, at)}"`;
      case "resource_metadata*":
        return `${before}resource_metadata="${this.address("resource", extended(value), at)}"`;
      case "resource":
        return `${before}${name}="${this.resource(value)}"`;
      case "authorization_uri":
      case "as_uri":
        return `${before}${name}="${this.address("issuer", value, at)}"`;
      default:
        return undefined;
    }
  }
}

const leads = (text: string) => /(?:resource_metadata|authorization_uri|as_uri|resource)\*?\s*=/i.test(text);

/**
 * The next scheme, token or parameter of a header with challenges. A text within quotes is taken in one piece, so what stands in it
 * is no parameter.
 */
const element = /([\s,]*)([!#$%&'*+\-.^_`|~0-9A-Za-z/]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/gy;

function extended(value: string): string {
  try {
    return decodeURIComponent(value.replace(/^[^']*'[^']*'/, ""));
  } catch {
    return "";
  }
}

/** Servers and clients write an origin with and without a slash. */
const withoutSlash = (text: string) => (text.endsWith("/") ? text.slice(0, -1) : text);
