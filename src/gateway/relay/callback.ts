import { hashOf } from "../../core/crypto.ts";
import { jsonValue } from "../../core/json-value.ts";
import { type Capabilities, type Flow, flowOf, rootOf } from "./capability.ts";
import { RelayRefusal } from "./refusal.ts";
import { type Document, Rewriter } from "./rewrite.ts";

/** Where the browser returns to, in place of the client's own callback. */
export const callbackPath = "/mcp_callback";

/** How many redirects of one client are remembered: those of all clients share a room. */
const mostRedirects = 32;

/** The clients that registered this callback beside their own. */
export interface RegisteredClients {
  has(mark: string): boolean;
  add(marks: readonly string[]): Promise<void>;
}

/**
 * An authorization server that says who it is in the browser (`iss`, RFC 9207) names itself, and a client that compares knows
 * it by an address of the relay. So its answer comes by the gateway, which puts that address in. For that the gateway registers
 * a callback of its own beside the client's. A client that the relay did not register keeps its own: nobody else may be sent
 * its codes.
 */
export class Callbacks {
  readonly #capabilities: Capabilities;
  readonly #clients: RegisteredClients;

  constructor(capabilities: Capabilities, clients: RegisteredClients) {
    this.#capabilities = capabilities;
    this.#clients = clients;
  }

  /** @returns a registration (RFC 7591) with our callback among its redirects; undefined where there are none */
  registering(text: string, { base }: Flow): string | undefined {
    const document = jsonValue(text) as Document;
    const own = redirectsOf(document);
    return own && JSON.stringify({ ...document, redirect_uris: [...own, addressAt(base)] });
  }

  /**
   * @param asked the client's registration
   * @returns the answer without our callback; remembers that the server took it, for the redirects that the client asked for
   */
  async registered(document: Document, asked: string, { base }: Flow, issuer: string): Promise<Document> {
    const [all, ours] = [redirectsOf(document), addressAt(base)];
    if (!all?.includes(ours) || typeof document.client_id !== "string") return document;
    const own = all.filter((one) => one !== ours);
    const client = document.client_id;
    const named = redirectsOf(jsonValue(asked) as Document) ?? [];
    const marked = own.filter((one) => named.includes(one)).slice(0, mostRedirects);
    await this.#clients.add(marked.map((redirect) => markOf(issuer, client, redirect, ours)));
    return { ...document, redirect_uris: own };
  }

  /**
   * @param form parameters of an authorization request
   * @returns the same with our callback, if the client is one that registered it
   */
  leaving(form: string, flow: Flow, issuer: string): string {
    const all = new URLSearchParams(form);
    const [client, redirect, state] = ["client_id", "redirect_uri", "state"].map((name) => all.get(name));
    const ours = addressAt(flow.base);
    if (!client || !redirect || !this.#clients.has(markOf(issuer, client, redirect, ours))) return form;
    // Other ways than the query lead the answer past the gateway.
    if (!["query", null].includes(all.get("response_mode")) || all.has("request")) return form;
    all.set("redirect_uri", ours);
    all.set(
      "state",
      this.#capabilities.seal("state", JSON.stringify([flow.base, rootOf(flow), issuer, redirect, state])),
    );
    return all.toString();
  }

  /**
   * @param query of the address that the browser returned to
   * @returns the client's own callback, as the server would have called it but for the issuer's name
   * @throws RelayRefusal for an answer to a request that did not leave here
   */
  returning(query: string): string {
    const all = new URLSearchParams(query);
    const sealed = this.#capabilities.unseal("state", all.get("state") ?? "");
    if (sealed === undefined) throw new RelayRefusal(403, "forged", "no authorization that began here ends like this");
    const [base, root, issuer, redirect, state] = JSON.parse(sealed) as [string, string, string, string, string | null];
    const [flow, back] = [flowOf(base, root), URL.parse(redirect)];
    if (!flow || !back) throw new RelayRefusal(403, "forged", "no authorization that began here ends like this");
    const [code, iss] = [all.get("code"), all.get("iss")];
    if (code !== null)
      all.set("code", `${code}.${this.#capabilities.proofOf("code", `${root}\n${redirect}\n${code}`)}`);
    // Another issuer than the one that was asked stays as it is, for the client to refuse.
    if (iss !== null && withoutSlash(iss) === withoutSlash(issuer))
      all.set("iss", new Rewriter(this.#capabilities, flow).address("issuer", issuer));
    if (state === null) all.delete("state");
    else all.set("state", state);
    for (const [name, value] of all) back.searchParams.append(name, value);
    return back.href;
  }

  /**
   * @param form a request for a token
   * @returns the same with the code and the callback that the server knows, if the code came by {@link returning}
   */
  redeeming(form: string, flow: Flow): string {
    const all = new URLSearchParams(form);
    const given = all.get("code") ?? "";
    const [code, proof] = [given.slice(0, given.lastIndexOf(".")), given.slice(given.lastIndexOf(".") + 1)];
    const text = `${rootOf(flow)}\n${all.get("redirect_uri") ?? ""}\n${code}`;
    if (!this.#capabilities.isProof(proof, "code", text)) return form;
    all.set("code", code);
    all.set("redirect_uri", addressAt(flow.base));
    return all.toString();
  }
}

/** Redirects to this machine name it by its address (RFC 8252 section 7.3). */
const addressAt = (base: string) => `http://127.0.0.1:${new URL(base).port}${callbackPath}`;

function redirectsOf({ redirect_uris: all }: Document): string[] | undefined {
  const isList = Array.isArray(all) && all.length > 0 && all.every((one) => typeof one === "string");
  return isList ? all : undefined;
}

const markOf = (...parts: string[]) => hashOf("sha256", parts.join("\n")).toString("base64url");

const withoutSlash = (text: string) => (text.endsWith("/") ? text.slice(0, -1) : text);
