import { inSession } from "../carriage.ts";
import { mcpFailure } from "../failures.ts";
import { edited } from "../json-text.ts";
import type { Log } from "../log.ts";
import { memberAt } from "../message.ts";
import type { PendingMessage } from "../pending-message.ts";
import type { SendOutcome, Transport, TransportEvents } from "../transport.ts";
import { Asks, isAnswered, isRefused } from "./ask.ts";
import { ModernServer } from "./modern-server.ts";
import type { NewClient } from "./new-client.ts";
import type { OldClient } from "./old-client.ts";
import { handshakeRevisions } from "./revision-2025-11-25.ts";
import {
  claimedVersion,
  codes,
  faultOf,
  metaFor,
  metaOf,
  requestText,
  revision,
  versionsIn,
} from "./revision-2026-07-28.ts";

/** Which revision the server speaks: found out, or as the user says. */
export type Protocol = "auto" | "2025-11-25" | "2026-07-28";

export interface ErasOptions {
  /** origin of the server, for messages */
  readonly origin: string;
  readonly protocol: Protocol;
  readonly masked: (words: string) => string;
  readonly log: Log;
}

/**
 * Lets client and server each speak the revision of MCP that it knows, with a handshake (2025-11-25 and before) or without
 * (2026-07-28). Messages pass unchanged where both speak the same. It looks at each message of the client, and at what the server
 * makes of the client's first one; only a server that refuses that one is asked what it speaks (MCP 2026-07-28, basic/versioning).
 */
export class Eras implements Transport {
  readonly #options: ErasOptions;
  readonly #events: TransportEvents;
  readonly #transport: Transport;
  readonly #asks: Asks;
  readonly #server: ModernServer;
  /** what the server speaks, for a client that opens no session */
  #speaks: "unknown" | "earlier" | "modern";
  /** one request finds that out; the others wait */
  #finding: Promise<void> | undefined;
  /** stands between a client that opens a session and a server without sessions */
  #old: OldClient | undefined;
  /** what the client has subscribed to, in a session of its own that goes on */
  #addresses: Iterable<string> = [];
  /** stands between a client without sessions and a server that wants one */
  #new: NewClient | undefined;
  /** requests that the server refused since it speaks another revision than before */
  readonly #refused = new Set<PendingMessage>();

  /** @param make makes the transport to the server */
  constructor(options: ErasOptions, events: TransportEvents, make: (events: TransportEvents) => Transport) {
    this.#options = options;
    this.#events = events;
    this.#speaks = { auto: "unknown", "2025-11-25": "earlier", "2026-07-28": "modern" }[options.protocol] as "unknown";
    this.#transport = make({
      message: (text, during) => this.#fromServer(text, during),
      lost: () => (this.#new ?? this.#events).lost(),
    });
    this.#asks = new Asks(this.#transport);
    this.#server = new ModernServer(this.#asks, options.log);
  }

  get ready(): boolean {
    return this.#old !== undefined || this.#transport.ready;
  }

  get revision(): string | undefined {
    return this.#old && revision;
  }

  listen(): void {
    (this.#old ?? this.#transport).listen();
  }

  reset(): void {
    this.#endOld();
    this.#transport.reset();
  }

  leave(): void {
    this.#endOld();
    this.#addresses = [];
    this.#new = undefined;
    this.#transport.leave();
  }

  async close(patienceMs: number): Promise<void> {
    this.#endOld();
    await (this.#new ?? this.#transport).close(patienceMs);
  }

  async send(pending: PendingMessage): Promise<SendOutcome> {
    if (pending.envelope.isArray) return await this.#batch(pending);
    if (!pending.asks) return await this.#notice(pending);
    if (claimedVersion(pending.text) !== undefined) return await this.#modern(pending);
    return pending.method === "initialize" ? await this.#open(pending) : await this.#inSession(pending);
  }

  readonly #up = (text: string): Promise<void> => this.#events.message(text);

  async #fromServer(text: string, during: PendingMessage | undefined): Promise<void> {
    const sink = this.#asks.take(text, during);
    if (sink) return await sink(text);
    if (this.#new) return await this.#new.message(text, during);
    const isRefusal =
      during?.carriage.hasSession &&
      !during.resent &&
      during.asks &&
      !during.envelope.isArray &&
      this.#options.protocol === "auto";
    const fault = isRefusal ? faultOf(text) : undefined;
    if (during && (fault === codes.version || fault === codes.headerMismatch)) {
      this.#refused.add(during);
      return;
    }
    await this.#events.message(text, during);
  }

  #endOld(): void {
    if (this.#old) this.#addresses = this.#old.end();
    this.#old = undefined;
  }

  /** Several messages in one, which only MCP 2025-03-26 has. */
  async #batch(pending: PendingMessage): Promise<SendOutcome> {
    if (!this.#old) return await this.#transport.send(pending);
    return { kind: "failed", error: mcpFailure.noBatch(this.#options.origin) };
  }

  /** Sends a notification, or an answer of the client. */
  async #notice(pending: PendingMessage): Promise<SendOutcome> {
    const between = this.#old ?? this.#new;
    if (between) return between.notice(pending);
    if (this.#transport.ready || this.#speaks !== "modern") return await this.#transport.send(pending);
    pending.take();
    // A request is cancelled by ending it, which the transport does (MCP 2026-07-28, basic/patterns/cancellation).
    if (pending.method === "notifications/cancelled") return { kind: "done" };
    pending.carriage = this.#server.carriage;
    return await this.#transport.send(pending);
  }

  /** Sends the client's `initialize`; when the server refuses it, finds out whether it speaks a later revision. */
  async #open(pending: PendingMessage): Promise<SendOutcome> {
    const { protocol } = this.#options;
    if (protocol === "2025-11-25") return await this.#transport.send(pending);
    if (protocol === "2026-07-28") return (await this.#openModern(pending)) ?? { kind: "done" };
    let refusal: string | undefined;
    const outcome = await this.#asks.send({
      text: pending.text,
      carriage: inSession,
      for: pending,
      attended: pending.attended,
      answer: (text) => {
        if (memberAt(text, "error") === undefined) return this.#up(text);
        refusal = text;
        return undefined;
      },
      other: this.#up,
    });
    if (refusal === undefined && !isRefused(outcome)) return outcome;
    const opened = pending.wanted ? await this.#openModern(pending, true) : undefined;
    if (opened) return opened;
    if (refusal === undefined) return outcome;
    await this.#up(refusal);
    return { kind: "done" };
  }

  /**
   * Answers the client's `initialize` from the server's answer to `server/discover`.
   *
   * @param isGuess true: the server may not know that
   * @returns undefined when it does not
   */
  async #openModern(pending: PendingMessage, isGuess = false): Promise<SendOutcome | undefined> {
    const { origin, log } = this.#options;
    let answer: string | undefined;
    const outcome = await this.#discover(pending, metaFor(pending.text), (text) => {
      answer = text;
    });
    const versions = versionsIn(answer);
    const isModern = versions !== undefined || faultOf(answer) !== undefined;
    if (isGuess && !isModern) return undefined;
    if (outcome.kind !== "done" || answer === undefined) return outcome;
    if (memberAt(answer, "result") === undefined || !versions?.includes(revision)) {
      return { kind: "failed", error: mcpFailure.noCommonVersion(origin, versions ?? [], revision) };
    }
    log.info(`the server speaks MCP ${revision} alone; the client opens a session, which the bridge keeps`);
    this.#speaks = "modern";
    const { OldClient } = await import("./old-client.ts");
    this.#endOld();
    this.#old = new OldClient(
      { origin, server: this.#server, asks: this.#asks, log, up: this.#up, addresses: this.#addresses },
      pending.text,
      answer,
    );
    return await this.#old.open(pending);
  }

  /** Asks the server what it speaks, in the place of a message. */
  async #discover(pending: PendingMessage, meta: Map<string, string>, answer: (text: string) => void) {
    const { carriage } = this.#server;
    meta.delete("progressToken");
    const text = requestText(this.#asks.newKey(), "server/discover", {}, meta);
    return await this.#asks.send({
      text,
      carriage,
      for: pending,
      attended: pending.attended,
      answer,
      other: () => undefined,
    });
  }

  /** Sends a request of a client that opened a session. */
  async #inSession(pending: PendingMessage): Promise<SendOutcome> {
    const old = this.#old;
    const outcome = await (old ?? this.#transport).send(pending);
    const isRefusal = this.#refused.delete(pending) || (old !== undefined && isRefused(outcome));
    if (!isRefusal || pending.resent || this.#options.protocol !== "auto") return outcome;
    // The server did not act on it. Opening the session again finds out what it speaks now.
    this.#options.log.info("the server speaks another revision of MCP than before");
    if (this.#old === old) {
      this.#speaks = "unknown";
      this.reset();
    }
    return { kind: "session-lost" };
  }

  /** Sends a request of a client that opens no session. */
  async #modern(pending: PendingMessage, isAgain = false): Promise<SendOutcome> {
    while (this.#finding) await this.#finding;
    if (this.#speaks === "unknown") {
      const found = Promise.withResolvers<void>();
      this.#finding = found.promise;
      try {
        const outcome = await this.#find(pending);
        if (outcome) return outcome;
      } finally {
        this.#finding = undefined;
        found.resolve();
      }
    }
    const isAuto = this.#options.protocol === "auto";
    const between = this.#new;
    const isModern = this.#speaks === "modern";
    const outcome = isModern ? await this.#pass(pending) : await this.#throughSession(pending);
    // We took it for a server with sessions, and it opened none: the next request finds out again.
    if (isAuto && !isModern && this.#new?.hasSession === false) this.#speaks = "unknown";
    const isWrong = outcome === "turned" || (isModern && isRefused(outcome));
    if (outcome !== "turned" && !(isWrong && isAuto && !isAgain && pending.wanted)) return outcome;
    if (!isAuto || isAgain) {
      return { kind: "failed", error: mcpFailure.noCommonVersion(this.#options.origin, [], revision) };
    }
    // Another request may have found that out meanwhile.
    if (isModern ? this.#new === between : this.#speaks === "earlier") {
      this.#speaks = "unknown";
      this.#new = undefined;
      this.#transport.reset();
    }
    return await this.#modern(pending, true);
  }

  /**
   * Finds out what the server speaks, by the client's own `server/discover` where that is the request.
   *
   * @returns how the request ended; undefined when it still has to be sent
   */
  async #find(pending: PendingMessage): Promise<SendOutcome | undefined> {
    const isOwn = pending.method === "server/discover";
    let answer: string | undefined;
    const take = (text: string) => {
      answer = text;
    };
    const { carriage } = this.#server;
    const { text, attended } = pending;
    const outcome = isOwn
      ? await this.#asks.send({ text, carriage, for: pending, attended, answer: take, other: this.#up })
      : await this.#discover(pending, metaOf(text), take);
    if (!pending.wanted) return { kind: "done" };
    if (answer === undefined && !isAnswered(outcome)) return outcome;
    const versions = versionsIn(answer);
    const isModern = versions
      ? versions.some((one) => !handshakeRevisions.includes(one))
      : faultOf(answer) !== undefined;
    this.#speaks = isModern ? "modern" : "earlier";
    if (!isModern)
      this.#options.log.info(`the server does not know MCP ${revision}; the bridge opens a session for the client`);
    if (!isModern || !isOwn || answer === undefined) return undefined;
    await this.#up(answer);
    return { kind: "done" };
  }

  /** Passes a request on to a server of the same revision. */
  async #pass(pending: PendingMessage): Promise<SendOutcome> {
    const { method, text, attended } = pending;
    if (method === "tools/call" || method === "tools/list") {
      const up = this.#up;
      return await this.#server.send({ text, for: pending, attended, answer: up, other: up }, method);
    }
    pending.carriage = this.#server.carriage;
    const outcome = await this.#transport.send(pending);
    if (outcome.kind !== "failed" || faultOf(outcome.text) === undefined) return outcome;
    // An error that names no request answers the only one that the HTTP request held.
    const [key = "null"] = pending.envelope.requests;
    await this.#up(edited(outcome.text ?? "", { id: key }));
    return { kind: "done" };
  }

  async #throughSession(pending: PendingMessage) {
    const { origin, masked, log } = this.#options;
    if (!this.#new) {
      const { NewClient } = await import("./new-client.ts");
      this.#new ??= new NewClient({ origin, transport: this.#transport, masked, log, up: this.#up });
    }
    return await this.#new.send(pending);
  }
}
