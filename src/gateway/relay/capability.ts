import { createCipheriv, createDecipheriv, timingSafeEqual } from "node:crypto";
import { keyedHashOf, randomBytes } from "../../core/crypto.ts";
import type { Secret } from "../../core/secret.ts";

/** The uses of an address that the relay handed out. */
const roles = {
  /** the document of a protected resource (RFC 9728) */
  resource: "r",
  /** an authorization server: nothing but its well-known documents (RFC 8414 section 3, OpenID Connect Discovery) */
  issuer: "i",
  /** such a document, at the address that a redirect names */
  document: "d",
  /** leads the browser to the authorization endpoint */
  authorize: "a",
  /** dynamic registration (RFC 7591), and a client's own address there (RFC 7592) */
  register: "c",
  token: "t",
  /** pushed authorization requests (RFC 9126) */
  push: "p",
  /** any other endpoint of an authorization server */
  endpoint: "e",
  /** the MCP server itself, at the address that a redirect names */
  mcp: "m",
  /** somewhere else that a redirect of the MCP server leads to: it gets no token */
  elsewhere: "x",
} as const;
export type Role = keyof typeof roles;

/** Whose URLs these are: one MCP server, as one client names it. */
export interface Flow {
  /** where the client reaches the gateway, for example `http://localhost:4001`: the answers name no other */
  readonly base: string;
  /** where the client's key is: in the path, or in a header */
  readonly entry: "path" | "header";
  /** the MCP server's address as the client wrote it, still encoded */
  readonly raw: string;
  /** the same, decoded */
  readonly original: string;
}

/** An address of the relay, taken apart and proved. */
export interface Handed {
  readonly flow: Flow;
  readonly role: Role;
  /** the target's origin, and the path behind it as it was handed out: empty for an origin alone */
  readonly origin: string;
  readonly path: string;
  /** the issuer of the target, where its answers in the browser name it (RFC 9207) */
  readonly issuer: string | undefined;
}

/** Lengths of a nonce and of a tag of AES-GCM (NIST SP 800-38D), bytes. */
const [nonceLength, tagLength] = [12, 16];

const roleOf = new Map(Object.entries(roles).map(([role, letter]) => [letter as string, role as Role]));

/**
 * The addresses of the relay. Each one proves that the gateway made it, for one flow, one role and one target, by a keyed hash
 * (RFC 2104) with the installation's secret: nothing has to be remembered to check it.
 */
export class Capabilities {
  readonly #secret: Buffer;
  /** opens the relay, and nothing else of the gateway */
  readonly key: string;

  /** @param secret of this installation, base64url */
  constructor(secret: Secret) {
    this.#secret = Buffer.from(secret.reveal(), "base64url");
    this.key = keyedHashOf(this.#secret, "relay key").toString("base64url");
  }

  /** @returns true for the relay's key, in constant time */
  isKey(candidate: string): boolean {
    return isSame(candidate, this.key);
  }

  /**
   * @param raw the MCP server's address, encoded; default: as the client wrote it
   * @returns the address by which the client of a flow reaches an MCP server
   */
  entry({ base, entry, raw: own }: Flow, raw: string = own): string {
    return `${base}${entry === "path" ? `/~${this.key}` : ""}/mcp_auth?original=${raw}`;
  }

  /**
   * @param issuer of the target, where its answers in the browser name it (RFC 9207)
   * @returns the address by which the client of a flow reaches a target in its role
   */
  handOut(flow: Flow, role: Role, { origin, search }: URL, path: string, issuer?: string): string {
    const root = rootOf(flow);
    // The runtime's server encodes these in what it receives.
    const [sent, query] = [path, search].map((text) => text.replaceAll("'", "%27")) as [string, string];
    const bound = role === "authorize" ? "" : query;
    const named = issuer === undefined ? "" : `\n${issuer}`;
    const what = Buffer.from(`${roles[role]}${origin}${named}`).toString("base64url");
    const proof = this.#proof(root, what, sent, bound);
    return `${flow.base}/~${this.key}/mcp_relay/${root}/${what}.${proof}${sent}${query}`;
  }

  /**
   * @param base where the client reaches the gateway
   * @param root first segment behind `/mcp_relay/`
   * @param relay second segment
   * @param path what follows; for an issuer without the well-known part
   * @param query with its `?`, or empty
   * @returns the parts, or undefined when the gateway did not hand this out
   */
  proved(base: string, root: string, relay: string, path: string, query: string): Handed | undefined {
    const [what = "", proof = "", ...more] = relay.split(".");
    const text = Buffer.from(what, "base64url").toString();
    const role = roleOf.get(text.slice(0, 1));
    const bound = role === "authorize" ? "" : query;
    if (!isSame(proof, this.#proof(root, what, path, bound)) || !role || more.length > 0) return undefined;
    const flow = flowOf(base, root);
    const [origin = "", issuer] = text.slice(1).split("\n");
    return flow && { flow, role, origin, path, issuer };
  }

  /**
   * @param purpose of the text: one sealed for another purpose does not open
   * @returns the text, which nobody else can read or change (AES-256-GCM), in letters that fit into an address
   */
  seal(purpose: string, text: string): string {
    const nonce = randomBytes(nonceLength);
    const cipher = createCipheriv("aes-256-gcm", this.#sealKey(purpose), nonce);
    const sealed = [cipher.update(text, "utf8"), cipher.final()];
    return Buffer.concat([nonce, cipher.getAuthTag(), ...sealed]).toString("base64url");
  }

  /** @returns the text that {@link seal} sealed for this purpose, or undefined for any other */
  unseal(purpose: string, candidate: string): string | undefined {
    const bytes = Buffer.from(candidate, "base64url");
    const begin = nonceLength + tagLength;
    if (bytes.length < begin || bytes.toString("base64url") !== candidate) return undefined;
    const key = this.#sealKey(purpose);
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceLength), { authTagLength: tagLength });
    decipher.setAuthTag(bytes.subarray(nonceLength, begin));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(begin)), decipher.final()]).toString();
    } catch {
      return undefined;
    }
  }

  #sealKey(purpose: string): Buffer {
    return keyedHashOf(this.#secret, `relay seal\n${purpose}`);
  }

  /** @returns the proof that the gateway saw a text for a purpose, base64url */
  proofOf(purpose: string, text: string): string {
    return keyedHashOf(this.#secret, `relay ${purpose}\n${text}`).toString("base64url");
  }

  /** @returns true when a proof is {@link proofOf} that text, in constant time */
  isProof(proof: string, purpose: string, text: string): boolean {
    return isSame(proof, this.proofOf(purpose, text));
  }

  #proof(root: string, what: string, path: string, query: string): string {
    return keyedHashOf(this.#secret, `relay address\n${root}\n${what}\n${path}\n${query}`).toString("base64url");
  }
}

/** @returns a flow as a segment of an address */
export const rootOf = ({ entry, raw }: Flow) =>
  Buffer.from(`${entry === "path" ? "p" : "h"}${raw}`).toString("base64url");

/** @returns the flow that {@link rootOf} wrote; undefined when an escape in it is broken */
export function flowOf(base: string, root: string): Flow | undefined {
  const text = Buffer.from(root, "base64url").toString();
  const raw = text.slice(1);
  const original = originalOf(raw);
  return original === undefined ? undefined : { base, entry: text[0] === "p" ? "path" : "header", raw, original };
}

/**
 * @param raw what follows `original=`: an address, or an encoded one, behind which other parameters do not count
 * @returns the address; undefined when an escape is broken
 */
export function originalOf(raw: string): string | undefined {
  // Some clients write the address as it is, and then everything that follows is part of it.
  if (/^https?:\/\//i.test(raw)) return raw;
  try {
    return decodeURIComponent(raw.split("&", 1)[0] ?? "");
  } catch {
    return undefined;
  }
}

/** A key's length is no secret; the position of its first wrong character would be one. */
function isSame(candidate: string, expected: string): boolean {
  const [a, b] = [Buffer.from(candidate), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
