import { within } from "../../core/time.ts";
import { Bridge } from "../bridge.ts";
import { alone, edited, membersOf, objectText } from "../json-text.ts";
import type { Log } from "../log.ts";
import { errorAnswer, type Key, memberAt, otherSpelling, rpcCodes, textAt, withId } from "../message.ts";
import type { PendingMessage } from "../pending-message.ts";
import type { SendOutcome, Transport, TransportEvents } from "../transport.ts";
import { Calls } from "./calls.ts";
import { leavesPageUnopened, openingText, removed, serverRequests, withoutMeta } from "./revision-2025-11-25.ts";
import { asAnswer, codes, faultOf, metaNames, type ReadRequest, readRequest, revision } from "./revision-2026-07-28.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface NewClientOptions {
  /** origin of the server, for messages */
  readonly origin: string;
  readonly transport: Transport;
  readonly masked: (words: string) => string;
  readonly log: Log;
  /** passes a message on to the client; resolves once it has room for more */
  readonly up: (text: string) => Promise<void>;
}

/** The session that was opened for the client. */
interface Session {
  /** the server's answer to `initialize` */
  readonly opened: string;
  /** the client's capabilities in it, JSON text */
  readonly capabilities: string;
  /** the server's name and version, JSON text */
  readonly server: string | undefined;
}

/** Longest name and version of a server that go into each answer, characters: a small answer must not become a large one. */
const longestServerInfo = 16_384;

/** The server does not take a session, so it no longer speaks an earlier revision. */
export const turned = "turned";

/** Severities of log messages, least first (RFC 5424 section 6.2.1). */
const levels: readonly string[] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

const ownNames: ReadonlySet<string> = new Set(Object.values(metaNames));

const namesOfMessage: ReadonlySet<string> = new Set(["id", "method"]);

/**
 * Lets a client of MCP 2026-07-28 use a server of 2025-11-25 or before: the session is opened and kept here, and what the server
 * asks in the middle of a call becomes the call's answer, `input_required`, until the client calls again.
 */
export class NewClient {
  readonly #options: NewClientOptions;
  /** keeps the session: opens it again when the server forgot it */
  readonly #bridge: Bridge;
  #events: TransportEvents | undefined;
  #session: Promise<Session | typeof turned | string> | undefined;
  readonly #calls: Calls;
  readonly #subscriptions: Subscriptions;
  /** who waits for our own requests */
  readonly #answers = new Map<Key, (answer: string) => void>();
  #count = 0;
  #level: string | undefined;
  #server: string | undefined;

  constructor(options: NewClientOptions) {
    const { origin, transport, masked, log, up } = options;
    this.#options = options;
    this.#calls = new Calls(up, (text) => this.#bridge.fromClient({ text }));
    this.#subscriptions = new Subscriptions(up, (method, params) => this.#ask(method, params));
    this.#bridge = new Bridge({
      origin,
      transport: (events) => {
        this.#events = events;
        return marking(transport, (text, sent) => this.message(text, sent));
      },
      masked,
      log,
      write: (line, during) => this.#fromServer(line, during),
      reopened: () => this.#reopened(),
    });
  }

  /** false: the server has opened no session */
  get hasSession(): boolean {
    return this.#session !== undefined;
  }

  /** Takes a text from the server. */
  async message(text: string, during: PendingMessage | undefined): Promise<void> {
    await this.#events?.message(text, during);
  }

  /** The session ended, and no request found that out. */
  lost(): void {
    this.#events?.lost();
  }

  async close(patienceMs: number): Promise<void> {
    await this.#bridge.close(0, patienceMs);
  }

  /** Takes a notification of the client. */
  notice(pending: PendingMessage): SendOutcome {
    pending.take();
    const cancels = pending.envelope.cancels;
    if (cancels !== undefined) {
      const own = this.#calls.cancel(cancels);
      if (own !== undefined) {
        const request = readRequest(pending.text);
        const params = new Map([...request.params, ["requestId", own]]);
        this.#bridge.fromClient({ text: withoutMeta({ ...request, params }, ownNames) });
      } else this.#subscriptions.end(cancels);
    } else if (pending.method !== undefined && !removed.has(pending.method)) {
      this.#bridge.fromClient({ text: withoutMeta(readRequest(pending.text), ownNames) });
    }
    return { kind: "done" };
  }

  /** Sends a request of the client, or answers it. @returns as a transport; {@link turned} when nothing was sent */
  async send(pending: PendingMessage): Promise<SendOutcome | typeof turned> {
    const { text, method = "" } = pending;
    const [key = "null"] = pending.envelope.requests;
    const request = readRequest(text);
    const version = request.meta.get(metaNames.version);
    if (version !== JSON.stringify(revision)) {
      const data = { supported: [revision], requested: JSON.parse(version ?? "null") };
      return await this.#answer(pending, errorAnswer(key, codes.version, "Unsupported protocol version", data));
    }
    if (removed.has(method)) {
      const words = `codemie-mcp-proxy: MCP ${revision} has no ${method}`;
      return await this.#answer(pending, errorAnswer(key, -32_601, words));
    }
    const session = await this.#open(request.meta, pending);
    if (session === undefined) return { kind: "done" };
    if (session === turned) return turned;
    if (typeof session === "string") return await this.#answer(pending, withId(session, key));
    this.#server = session.server;
    if (method === "server/discover") return await this.#answer(pending, this.#discovered(key, session.opened));
    const level = request.meta.get(metaNames.logLevel);
    if (level !== undefined) await this.#setLevel(level, session);
    if (method === "subscriptions/listen") {
      pending.take();
      await this.#subscriptions.begin(key, text, memberAt(session.opened, "result", "capabilities"));
      await pending.settled;
      this.#subscriptions.end(key);
      return { kind: "done" };
    }
    return await this.#call(pending, key, request);
  }

  async #answer(pending: PendingMessage, text: string): Promise<SendOutcome> {
    pending.take();
    await this.#options.up(text);
    return { kind: "done" };
  }

  async #call(pending: PendingMessage, key: Key, request: ReadRequest) {
    const done: SendOutcome = { kind: "done" };
    pending.take();
    const state = request.params.get("requestState");
    if (state !== undefined) {
      if (!(await this.#calls.resume(JSON.parse(state), pending, request))) {
        const words = "codemie-mcp-proxy: the call that asked for this input is over; call again without requestState";
        await this.#options.up(errorAnswer(key, codes.params, words));
      }
    } else if (leavesPageUnopened(request.params.get("inputResponses"))) {
      const words = "codemie-mcp-proxy: the server wants a page opened first, and it was not";
      await this.#options.up(errorAnswer(key, rpcCodes.failed, words));
    } else {
      const own = String(++this.#count);
      const refused = this.#calls.begin(own, pending, request).then((): typeof turned => turned);
      this.#bridge.fromClient({ text: withoutMeta(request, ownNames, { id: own }) });
      return await Promise.race([refused, pending.settled.then(() => done)]);
    }
    await pending.settled;
    return done;
  }

  /**
   * Opens the session with what the first request says of the client; another one when a later request says something else and
   * nothing is under way.
   *
   * @returns the session; the answer to the request where there is none; undefined when the client cancelled its request
   */
  async #open(meta: ReadonlyMap<string, string>, pending: PendingMessage) {
    const capabilities = meta.get(metaNames.capabilities) ?? "{}";
    const current = this.#session;
    const before = await current;
    const isOther = typeof before === "object" && before.capabilities !== capabilities;
    if (isOther && this.#session === current && this.#calls.size === 0) this.#session = undefined;
    this.#session ??= this.#begin(capabilities, meta.get(metaNames.client)).then((session) => {
      if (typeof session === "string") this.#session = undefined;
      return session;
    });
    let session: Session | string | undefined;
    const opened = this.#session.then((found) => {
      session = found;
    });
    await Promise.race([opened, pending.settled]);
    return session;
  }

  async #begin(capabilities: string, client: string | undefined): Promise<Session | typeof turned | string> {
    const named = client ?? '{"name":"unknown","version":"unknown"}';
    const known = edited(capabilities, { extensions: undefined });
    const answer = await this.#ask((key) => openingText(key, known, named));
    if (memberAt(answer, "result") === undefined) return faultOf(answer) === undefined ? answer : turned;
    this.#level = undefined;
    this.#bridge.fromClient({ text: '{"jsonrpc":"2.0","method":"notifications/initialized"}' });
    this.#subscriptions.renew();
    const server = memberAt(answer, "result", "serverInfo");
    const isShort = server !== undefined && server.length <= longestServerInfo;
    return { opened: answer, capabilities, server: isShort ? server : undefined };
  }

  #reopened(): void {
    this.#level = undefined;
    this.#subscriptions.renew();
  }

  /** Sends a request of our own. @returns its answer */
  async #ask(method: string | ((key: Key) => string), params = "{}"): Promise<string> {
    const key = String(++this.#count);
    const answered = Promise.withResolvers<string>();
    this.#answers.set(key, answered.resolve);
    const text =
      typeof method === "string"
        ? `{"jsonrpc":"2.0","id":${key},"method":"${method}","params":${params}}`
        : method(key);
    this.#bridge.fromClient({ text });
    return await answered.promise;
  }

  #discovered(key: Key, opened: string): string {
    const result = new Map([
      ["supportedVersions", JSON.stringify([revision])],
      ["capabilities", edited(memberAt(opened, "result", "capabilities") ?? "{}", { tasks: undefined })],
    ]);
    const instructions = memberAt(opened, "result", "instructions");
    if (instructions !== undefined) result.set("instructions", instructions);
    const answer = `{"jsonrpc":"2.0","id":${key},"result":${objectText(result)}}`;
    return asAnswer(answer, key, "server/discover", this.#server);
  }

  /** Tells the server the least severe messages that it is to send. @param level JSON text */
  async #setLevel(level: string, session: Session): Promise<void> {
    if (level === this.#level) return;
    if (memberAt(session.opened, "result", "capabilities", "logging") === undefined) return;
    this.#level = level;
    await within(5_000, this.#ask("logging/setLevel", `{"level":${level}}`));
  }

  /** Takes a line of the server. */
  async #fromServer(line: string, during: PendingMessage | undefined): Promise<void> {
    const members = membersOf(line, namesOfMessage);
    const id = members?.get("id");
    if (!members?.has("method")) return members && (await this.#answered(line, alone(id ?? "null")));
    const method = textAt(line, "method") ?? "";
    if (id !== undefined) return await this.#asked(line, method, alone(id), during?.envelope.requests[0]);
    if (method === "notifications/progress") return await this.#calls.progress(line);
    if (method === "notifications/message") {
      const least = this.#calls.levelOf(during?.envelope.requests[0]);
      const level = levels.indexOf(textAt(line, "params", "level") ?? "");
      if (least !== undefined && level >= levels.indexOf(least)) await this.#options.up(line);
    } else if (/^notifications\/(?:\w+\/list_changed|resources\/updated)$/.test(method)) {
      await this.#subscriptions.pass(line, method);
    } else if (method !== "notifications/cancelled" && method !== "notifications/elicitation/complete") {
      await this.#options.up(line);
    }
  }

  async #answered(line: string, key: Key): Promise<void> {
    const own = this.#answers.get(key) ?? this.#answers.get(otherSpelling(key) ?? "");
    this.#answers.delete(key);
    if (own) own(line);
    else await this.#calls.answered(key, line, this.#server);
  }

  /** Takes a request of the server. */
  async #asked(line: string, method: string, id: Key, call: Key | undefined): Promise<void> {
    const send = (text: string) => this.#bridge.fromClient({ text });
    if (method === "ping") return send(`{"jsonrpc":"2.0","id":${id},"result":{}}`);
    const needed = serverRequests[method];
    const refusal =
      needed === undefined
        ? `MCP ${revision} has no ${method}`
        : await this.#calls.ask(call, id, needed, method, memberAt(line, "params"));
    if (refusal !== undefined) send(errorAnswer(id, -32_601, `codemie-mcp-proxy: ${refusal}`));
  }
}

/** @returns a transport that hands what comes in answer to a message to `take`, even when its client is no longer the current one */
function marking(transport: Transport, take: (text: string, sent: PendingMessage) => Promise<void>): Transport {
  return {
    get ready() {
      return transport.ready;
    },
    async send(pending) {
      pending.sink = (text) => take(text, pending);
      return await transport.send(pending);
    },
    listen: () => transport.listen(),
    reset: () => transport.reset(),
    leave: () => transport.leave(),
    close: (patienceMs) => transport.close(patienceMs),
  };
}
