import { asCodemieError, failure } from "../core/errors.ts";
import { headerSafe } from "../core/text.ts";
import { type Deadline, deadline } from "./deadline.ts";
import { type Position, readEvents } from "./events.ts";
import type { Exchange } from "./exchange.ts";
import type { Log } from "./log.ts";
import { faultOf, member, readEnvelope } from "./message.ts";
import { bounded, mediaType } from "./response.ts";
import { Slots } from "./slots.ts";
import { backoffMs, type Outcome, pause, type Transport, type TransportEvents } from "./transport.ts";
import type { Wire } from "./wire.ts";

/** How long it is tried to take up a stream that broke before its answer came, ms. */
const resumeMs = 6_000;
/** Longest answer to a request whose status is an error, characters. */
const longestRefusal = 65_536;
/** How long the first `initialize` may take to be answered, ms. */
const handshakeMs = 30_000;

const eventStream = "text/event-stream";
const json = "application/json";

/** The Streamable HTTP transport (MCP 2025-11-25, basic/transports). */
export class StreamableHttp implements Transport {
  readonly #wire: Wire;
  readonly #events: TransportEvents;
  readonly #log: Log;
  readonly #silenceMs: number;
  readonly #closed = new AbortController();
  readonly #slots = new Slots();
  #session: string | undefined;
  #protocol: string | undefined;
  #initialized = false;
  #ready = false;
  #listening: AbortController | undefined;

  /** @param silenceMs how long a request may wait without a byte from the server, ms; 0 for ever */
  constructor(wire: Wire, events: TransportEvents, log: Log, silenceMs: number) {
    this.#wire = wire;
    this.#events = events;
    this.#log = log;
    this.#silenceMs = silenceMs;
  }

  get ready(): boolean {
    return this.#ready;
  }

  reset(): void {
    this.#initialized = false;
    this.#ready = false;
    this.#session = undefined;
    this.#protocol = undefined;
    this.#listening?.abort();
    this.#listening = undefined;
  }

  async send(exchange: Exchange): Promise<Outcome> {
    const release = exchange.owed.size > 0 ? await this.#slots.take() : () => undefined;
    const initialize = exchange.method === "initialize";
    const silence = initialize ? Math.min(handshakeMs, this.#silenceMs || handshakeMs) : this.#silenceMs;
    const time = deadline(silence, this.#closed.signal, () => failure.mcpSilent(this.#wire.url.origin, silence));
    try {
      const outcome = await this.#post(exchange, time);
      if (initialize && outcome.kind === "done" && this.#initialized) this.#ready = true;
      return outcome;
    } catch (error) {
      return { kind: "failed", error: this.#closed.signal.aborted ? failure.mcpClosing() : asCodemieError(error) };
    } finally {
      time.end();
      release();
    }
  }

  async #post(exchange: Exchange, time: Deadline): Promise<Outcome> {
    const session = this.#session;
    const response = await this.#wire.send({
      method: "POST",
      headers: { ...this.#headers(), "content-type": json, accept: `${json}, ${eventStream}` },
      body: exchange.text,
      signal: time.signal,
      time,
      attended: true,
    });
    exchange.take();
    time.touch();
    if (!response.ok) return await this.#refused(response, exchange, session);
    if (exchange.method === "initialize") this.#session = response.headers.get("mcp-session-id") ?? undefined;
    const type = mediaType(response);
    if (type === eventStream) return await this.#follow(response, exchange, time);
    if (exchange.owed.size === 0) {
      await response.body?.cancel();
      return { kind: "done" };
    }
    if (type === json) {
      this.#deliver(await response.text(), exchange);
      return { kind: "done" };
    }
    await response.body?.cancel();
    const what =
      response.status === 202 ? "it accepted a request without answering it" : `it sent ${type || "nothing"}`;
    return { kind: "failed", error: failure.mcpNotMcp(this.#wire.url.origin, what), status: response.status };
  }

  /** An answer that is no success: the server's own JSON-RPC error where there is one, else what the status says. */
  async #refused(response: Response, exchange: Exchange, session: string | undefined): Promise<Outcome> {
    const { status } = response;
    const text = await bounded(response, longestRefusal);
    const envelope = readEnvelope(text);
    const detail = faultOf(text);
    // Servers built on the reference implementation say 400 where the specification says 404.
    const forgotten = status === 404 || (status === 400 && /session/i.test(detail ?? ""));
    if (session !== undefined && forgotten) {
      if (this.#session === session) this.reset();
      return { kind: "session-lost" };
    }
    if (typeof envelope !== "string" && envelope.answers.some((key) => exchange.owed.has(key))) {
      this.#deliver(text, exchange);
      return { kind: "done" };
    }
    return { kind: "failed", error: failure.mcpStatus(this.#wire.url.origin, status, detail), status };
  }

  /** Reads a stream that answers a request; one that ends early is taken up again where it broke, if it can be. */
  async #follow(first: Response, exchange: Exchange, time: Deadline): Promise<Outcome> {
    const lost: Outcome = { kind: "failed", error: failure.mcpLost(this.#wire.url.origin) };
    const position: Position = {};
    const session = this.#session;
    for (let response: Response | undefined = first; response; ) {
      await this.#read(response, position, exchange, time);
      if (exchange.owed.size === 0) return { kind: "done" };
      response =
        headerSafe(position.lastEventId) === undefined ? undefined : await this.#resume(position, session, time);
    }
    return lost;
  }

  /** Takes a broken stream up again; gives up after a while, and when the session is another one by then. */
  async #resume(position: Position, session: string | undefined, time: Deadline): Promise<Response | undefined> {
    const brokenAt = performance.now();
    for (let failures = 0; failures === 0 || performance.now() - brokenAt < resumeMs; failures++) {
      await pause(position.retryMs ?? backoffMs(failures), time.signal);
      if (time.signal.aborted) throw time.signal.reason;
      if (this.#session !== session) return undefined;
      time.touch();
      try {
        const response = await this.#get(position.lastEventId, time.signal, true);
        if (mediaType(response) === eventStream) return response;
        await response.body?.cancel();
        return undefined;
      } catch (error) {
        this.#log.info(`a stream could not be taken up again: ${asCodemieError(error).message}`);
      }
    }
    return undefined;
  }

  /** Reads until the stream ends or breaks; after the last answer the rest is read on the side. */
  async #read(response: Response, position: Position, exchange: Exchange, time: Deadline): Promise<void> {
    const onEvent = (event: { type: string; data: string }) => {
      if (event.type === "message") this.#deliver(event.data, exchange);
    };
    const reading = readEvents(response.body, position, onEvent, () => time.touch()).catch((error: unknown) => {
      if (!time.signal.aborted) this.#log.info(`a stream broke: ${error instanceof Error ? error.message : "unknown"}`);
    });
    await (exchange.owed.size > 0 ? Promise.race([reading, exchange.settled]) : reading);
  }

  #deliver(text: string, exchange: Exchange): void {
    if (exchange.method === "initialize") {
      const envelope = readEnvelope(text);
      const result = typeof envelope === "string" ? undefined : member(envelope.value, "result");
      this.#initialized ||= result !== undefined;
      this.#protocol = protocolOf(result) ?? this.#protocol;
    }
    this.#events.message(text);
  }

  listen(): void {
    if (this.#listening || this.#closed.signal.aborted) return;
    const controller = new AbortController();
    this.#listening = controller;
    void this.#listen(AbortSignal.any([controller.signal, this.#closed.signal]), controller);
  }

  /** Keeps the stream open on which the server speaks unasked; a server without one answers 405. */
  async #listen(signal: AbortSignal, own: AbortController): Promise<void> {
    const position: Position = {};
    const session = this.#session;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const response = await this.#get(position.lastEventId, signal, false);
        if (mediaType(response) !== eventStream) {
          await response.body?.cancel();
          const gone = response.status === 404 || response.status === 400;
          if (!gone || session === undefined || this.#session !== session) return;
          this.#log.info("the server no longer knows the session");
          this.reset();
          return this.#events.lost();
        }
        failures = 0;
        await readEvents(response.body, position, (event) => {
          if (event.type === "message") this.#events.message(event.data);
        });
      } catch (error) {
        if (!signal.aborted) this.#log.info(`the server's own stream: ${asCodemieError(error).message}`);
        failures++;
      }
      await pause(position.retryMs ?? backoffMs(failures), signal);
    }
    if (this.#listening === own) this.#listening = undefined;
  }

  async #get(lastEventId: string | undefined, signal: AbortSignal, attended: boolean): Promise<Response> {
    const headers = { ...this.#headers(), accept: eventStream, "last-event-id": headerSafe(lastEventId) };
    return await this.#wire.send({ method: "GET", headers, signal, attended });
  }

  #headers(): Record<string, string | undefined> {
    return { "mcp-session-id": this.#session, "mcp-protocol-version": this.#protocol };
  }

  async close(patienceMs: number): Promise<void> {
    const headers = this.#headers();
    const session = this.#session;
    this.reset();
    this.#closed.abort();
    if (session === undefined) return;
    try {
      const signal = AbortSignal.timeout(patienceMs);
      const response = await this.#wire.send({ method: "DELETE", headers, signal, attended: false });
      await response.body?.cancel();
    } catch (error) {
      this.#log.debug(`the session could not be ended: ${asCodemieError(error).message}`);
    }
  }
}

/** @returns the protocol version of an `initialize` result */
function protocolOf(result: unknown): string | undefined {
  const version = member(result, "protocolVersion");
  return typeof version === "string" ? headerSafe(version) : undefined;
}
