import { printable } from "../../core/text.ts";
import type { HttpClient, IncomingAnswer } from "../../http1/message.ts";
import { networkFailure, type TlsSettings } from "../../platform/network.ts";
import { discard, replayableBody } from "../attempt.ts";
import type { IncomingRequest } from "../paths.ts";
import { documentIn, wholeText } from "./answer-text.ts";
import { type Asked, askedFor, isRelayPath } from "./asked.ts";
import { Callbacks, callbackPath, type RegisteredClients } from "./callback.ts";
import type { Capabilities, Role } from "./capability.ts";
import { inUtf8, withoutEndpoint } from "./event-stream.ts";
import { type RelayEvent, Revisions, revisionIn } from "./events.ts";
import { headersBack, headersFor, type Recipient } from "./headers.ts";
import { RelayRefusal, refusalResponse } from "./refusal.ts";
import { mappedBody, mappedForm, refuseKeys } from "./request-body.ts";
import { type Document, Rewriter } from "./rewrite.ts";
import { type TargetOptions, Targets } from "./target.ts";
import { Upstreams } from "./upstreams.ts";

/** How long all of a document may take, ms; longest `WWW-Authenticate`, characters. */
const [documentMs, longestChallenge] = [30_000, 16_384];

export interface RelayOptions extends TargetOptions {
  readonly capabilities: Capabilities;
  /** `client_name` of a registration */
  readonly clientName: string;
  readonly clients: RegisteredClients;
  readonly tls: () => TlsSettings;
  /** the way through the company's proxy */
  readonly proxied: HttpClient;
  readonly tell: (event: RelayEvent) => void;
}

/** The relay of a gateway: MCP servers and their authorization servers, as a client reaches them through it. */
export interface Relay {
  /** opens the relay, and nothing else */
  readonly key: string;
  /** @returns true for a path that belongs to the relay, whether it is well formed or not */
  takes(path: string): boolean;
  /** @returns true for the path that a server's page sends the browser to; its query proves itself */
  isForBrowser(path: string): boolean;
  /**
   * Answers a request that the gateway's own guards let in.
   *
   * @param gatewayKey of the gateway, which no server may learn
   * @param hasGatewayKey true: the request has it in `x-api-key`
   */
  answer(incoming: IncomingRequest, gatewayKey: string, hasGatewayKey: boolean): Promise<Response>;
  close(): void;
}

/** A request, and all that is known of it. */
interface Going {
  readonly incoming: IncomingRequest;
  readonly asked: Asked;
  readonly rewriter: Rewriter;
  readonly holdsKey: (text: string) => boolean;
}

/** @returns the relay; it opens no connection yet */
export function relayOf(options: RelayOptions): Relay {
  const { capabilities, clientName, tell } = options;
  const callbacks = new Callbacks(capabilities, options.clients);
  const targets = new Targets(options);
  const upstreams = new Upstreams(options.tls, options.proxied);
  const revisions = new Revisions();

  const tellRefusal = ({ headers }: IncomingRequest, { reason, host }: RelayRefusal) =>
    tell({ kind: "refused", reason, host, revision: revisionIn(headers) });

  async function answer(incoming: IncomingRequest, gatewayKey: string, hasGatewayKey: boolean): Promise<Response> {
    try {
      if (incoming.call.path === callbackPath) return leadTo(callbacks.returning(incoming.call.query));
      const base = `http://${incoming.headers.host}`;
      const asked = askedFor(incoming.call, base, hasGatewayKey, capabilities);
      const holdsKey = (text: string) => text.includes(capabilities.key) || text.includes(gatewayKey);
      const going = { incoming, asked, rewriter: new Rewriter(capabilities, asked.flow), holdsKey };
      if (asked.document) return await document(going, asked.document);
      return await (asked.role === "authorize" ? authorize(going) : passed(going));
    } catch (error) {
      if (!(error instanceof RelayRefusal)) throw error;
      tellRefusal(incoming, error);
      return refusalResponse(error, incoming.id);
    }
  }

  /** Leads the browser to the authorization endpoint, which it opens itself: only the resource's name changes. */
  async function authorize({ incoming, asked, rewriter, holdsKey }: Going): Promise<Response> {
    const { method, query } = incoming.call;
    if (method !== "GET" && method !== "HEAD") throw new RelayRefusal(405, "form", "a browser opens this address");
    const url = targets.allowed(asked.target, asked.flow.original);
    const named = mappedForm(query.slice(1), rewriter);
    const mapped = asked.issuer === undefined ? named : callbacks.leaving(named, asked.flow, asked.issuer);
    refuseKeys([...new URLSearchParams(mapped).values()], holdsKey);
    return leadTo(`${url.origin}${url.pathname}${mapped === "" ? "" : `?${mapped}`}`);
  }

  /** A well-known document; the relay looks for it where the client would, since only the relay knows those places. */
  async function document(going: Going, { type, place }: NonNullable<Asked["document"]>): Promise<Response> {
    const { asked, rewriter } = going;
    const about = targets.allowed(asked.target, asked.flow.original);
    const path = about.pathname.replace(/\/$/, "");
    const at = (name: string) =>
      targets.allowed(
        place === "before"
          ? `${about.origin}/.well-known/${name}${path}${about.search}`
          : `${about.origin}${path}/.well-known/${name}`,
        asked.flow.original,
      );
    const isOwn = about.origin === URL.parse(asked.flow.original)?.origin;
    if (type === "oauth-protected-resource") {
      const first = await readDocument(going, at(type), "resource");
      if (first.status !== 404) return first;
      const top = path === "" ? first : await readDocument(going, new URL(`/.well-known/${type}`, about), "resource");
      if (top.status !== 404 || asked.role !== "mcp") return top;
      return json(200, rewriter.resourceWithoutDocument());
    }
    const found = await readDocument(going, at(type), "document");
    if (found.status !== 404 || !isOwn || path !== "" || type !== "oauth-authorization-server") return found;
    const other = await readDocument(going, at("openid-configuration"), "document");
    return other.status === 404 ? json(200, rewriter.serverWithoutDocument(about.origin, asked.shown)) : other;
  }

  /** @returns the document, rewritten; 404 also for what is no JSON, so that the client looks elsewhere */
  async function readDocument(going: Going, url: URL, role: "resource" | "document"): Promise<Response> {
    const { incoming, asked, rewriter } = going;
    const { method } = incoming.call;
    if (method !== "GET" && method !== "HEAD") throw new RelayRefusal(405, "form", "a document can only be read");
    const got = await send(going, url, "document", null, AbortSignal.timeout(documentMs));
    if (isRedirect(got.status)) return moved(going, got, url, role);
    if (got.status !== 200) {
      discard(got.body);
      return new Response(null, { status: got.status >= 400 && got.status < 500 ? 404 : 502, headers: forOneReader });
    }
    const text = await wholeText(got, url);
    const value = text === undefined ? undefined : documentIn(text, url);
    if (!value) return new Response(null, { status: 404, headers: forOneReader });
    const about = asked.document ? { real: asked.target, shown: asked.shown } : undefined;
    return json(200, role === "resource" ? rewriter.resourceDocument(value) : rewriter.serverDocument(value, about));
  }

  /** Every other request: its answer streams as it comes. */
  async function passed(going: Going): Promise<Response> {
    const { incoming, asked, rewriter } = going;
    const { role, flow, issuer } = asked;
    const url = targets.allowed(asked.target, flow.original);
    if (role === "mcp") revisions.note(asked.flow.original, incoming.headers);
    if (role === "resource" || role === "document") return await readDocument(going, url, role);
    if (role === "mcp" || role === "elsewhere") {
      const length = incoming.headers["content-length"];
      const body = await replayableBody(incoming.raw, length === undefined ? undefined : Number(length));
      const got = await send(going, url, role === "mcp" ? "mcp-server" : "document", body);
      return isRedirect(got.status) ? moved(going, got, url, role) : back(going, got, url);
    }
    const { method, query } = incoming.call;
    const form = `?${mappedForm(query.slice(1), rewriter)}`;
    const mapped = query === "" ? url : targets.allowed(`${url.origin}${url.pathname}${form}`, flow.original);
    const ofForm = (form: string) => {
      if (role === "token") return callbacks.redeeming(form, flow);
      return role === "push" && issuer !== undefined ? callbacks.leaving(form, flow, issuer) : form;
    };
    const { bytes, grant } = await mappedBody(method === "GET" || method === "HEAD" ? null : incoming.raw.body, {
      rewriter,
      type: incoming.headers["content-type"],
      clientName: role === "register" ? clientName : undefined,
      ofForm,
      holdsKey: going.holdsKey,
    });
    const withOurs =
      role === "register" && issuer !== undefined && bytes ? callbacks.registering(textOf(bytes), flow) : undefined;
    const request = withOurs === undefined ? bytes : bytesOf(withOurs);
    let got = await send(going, mapped, "authorization-server", request);
    if (withOurs !== undefined && got.status >= 400 && got.status < 500) {
      // A server that takes no second redirect may take the client's own.
      discard(got.body);
      got = await send(going, mapped, "authorization-server", bytes);
    }
    if (isRedirect(got.status)) return moved(going, got, url, role);
    const isGiven = role === "token" && got.status === 200 && grant !== undefined && grant !== "refresh_token";
    if (isGiven)
      tell({
        kind: "authorized",
        server: hostOf(flow.original),
        issuer: asked.target,
        grant,
        revision: revisions.of(flow.original),
      });
    if (role !== "register" || got.status >= 300) return back(going, got, url);
    const text = await wholeText(got, url);
    const registration = text === undefined ? undefined : documentIn(text, url);
    if (!registration) throw new RelayRefusal(502, "unreadable", `${url.host} did not answer with JSON`, url.host);
    const isOurs = issuer !== undefined && withOurs !== undefined;
    const own = isOurs ? await callbacks.registered(registration, withOurs, flow, issuer) : registration;
    return json(got.status, rewriter.registration(own, issuer));
  }

  /** Sends a request to the address that was checked. @throws RelayRefusal */
  async function send(
    { incoming, asked, holdsKey }: Going,
    url: URL,
    receiver: Recipient,
    body: ArrayBuffer | ReadableStream<Uint8Array> | null,
    limit?: AbortSignal,
  ): Promise<IncomingAnswer> {
    if (holdsKey(url.href))
      throw new RelayRefusal(400, "secret", "the address of a server must not hold a key of the gateway");
    const way = await targets.wayTo(url, asked.flow.original);
    const signal = limit ? AbortSignal.any([incoming.raw.signal, limit]) : incoming.raw.signal;
    const announced = incoming.headers["content-length"];
    try {
      return await upstreams.to(url.origin, way).send({
        method:
          receiver === "document" && body === null && incoming.call.method === "HEAD" ? "GET" : incoming.call.method,
        url: url.href,
        headers: headersFor(incoming.headers, receiver, holdsKey),
        fixed: none,
        body,
        length:
          body instanceof ReadableStream
            ? announced === undefined
              ? undefined
              : Number(announced)
            : (body?.byteLength ?? 0),
        signal,
      });
    } catch (error) {
      targets.forget(url);
      const host = printable(url.host, 200);
      if (limit?.aborted) throw new RelayRefusal(504, "silent", `${host} did not answer in time`, host);
      const { message } = networkFailure(url.origin, error);
      throw new RelayRefusal(502, "unreachable", message, host);
    }
  }

  /** @returns the answer with its challenge rewritten; the body streams */
  function back({ incoming, rewriter }: Going, got: IncomingAnswer, url: URL): Response {
    const headers = headersBack(got.headers);
    const challenge = headers["www-authenticate"];
    if (challenge !== undefined) {
      if (challenge.length > longestChallenge) {
        discard(got.body);
        throw new RelayRefusal(502, "too-large", `the challenge of ${url.host} is too long`, url.host);
      }
      headers["www-authenticate"] = rewriter.challenge(challenge, url);
    }
    const { method } = incoming.call;
    if (method === "GET") {
      const type = inUtf8(headers["content-type"]);
      if (type === undefined) delete headers["content-type"];
      else headers["content-type"] = type;
    }
    const body = withoutEndpoint(method, got, url.host, (error) => tellRefusal(incoming, error));
    return new Response(body, { status: got.status, headers });
  }

  /**
   * A redirect, which the client may follow through the relay. One that leads to another server must not take a token or a
   * request with it: the client sees only one server, so it would send both.
   */
  function moved({ incoming, asked, rewriter }: Going, got: IncomingAnswer, url: URL, role: Role): Response {
    discard(got.body);
    const target = URL.parse(got.headers.location ?? "", url.href);
    if (!target) throw new RelayRefusal(502, "redirect", `${url.host} redirects to no address`, url.host);
    targets.allowed(target.href, asked.flow.original);
    const isSame = target.origin === url.origin;
    const { method } = incoming.call;
    const isRead = method === "GET" || method === "HEAD";
    if (!isSame && !(isRead && (role === "resource" || role === "document" || role === "mcp" || role === "elsewhere")))
      throw new RelayRefusal(502, "redirect", `${url.host} redirects the request to another server`, url.host);
    const next = isSame || role !== "mcp" ? role : "elsewhere";
    const headers = { ...headersBack(got.headers), location: rewriter.address(next, target.href) };
    return new Response(null, { status: got.status, headers: withoutBody(headers) });
  }

  return {
    key: capabilities.key,
    takes: (path) => isRelayPath(path) || path === callbackPath,
    isForBrowser: (path) => path === callbackPath,
    answer,
    close: () => upstreams.close(),
  };
}

const none = {};

/** Nobody else may keep what is for one client of this machine, and no address of the relay may go along. */
const forOneReader = { "cache-control": "no-store", "referrer-policy": "no-referrer" };

const leadTo = (location: string) => new Response(null, { status: 302, headers: { location, ...forOneReader } });

const textOf = (bytes: ArrayBuffer) => new TextDecoder().decode(bytes);
const bytesOf = (text: string) => new TextEncoder().encode(text).buffer as ArrayBuffer;

const isRedirect = (status: number) => [301, 302, 303, 307, 308].includes(status);

const hostOf = (address: string) => printable(URL.parse(address)?.origin ?? "", 200);

const json = (status: number, document: Document) => Response.json(document, { status, headers: forOneReader });

function withoutBody({
  "content-length": _,
  "content-type": __,
  "content-encoding": ___,
  ...headers
}: Record<string, string>) {
  return headers;
}
