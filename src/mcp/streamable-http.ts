import { asCodemieError, CodemieError, systemCode } from "../core/errors.ts";
import { headerSafe } from "../core/text.ts";
import { pause, Streak } from "../core/time.ts";
import { type Position, readEvents, type StreamEvent } from "./events.ts";
import { mcpFailure } from "./failures.ts";
import { Forgotten, forgetsSession, isForgotten } from "./forgotten.ts";
import { LateAnswers } from "./late-answers.ts";
import { type Log, loggable } from "./log.ts";
import { memberAt, readEnvelope, textAt } from "./message.ts";
import type { PendingMessage } from "./pending-message.ts";
import { bounded, longestRefusal, mediaType, whole, withType } from "./response.ts";
import type { ServerClient } from "./server-client.ts";
import { followServerStream } from "./server-stream.ts";
import { type SilenceLimit, silenceLimit } from "./silence-limit.ts";
import { Slots } from "./slots.ts";
import { lingerFor, type SendOutcome, silenceFor, type Transport, type TransportEvents } from "./transport.ts";
import { Turn } from "./turn.ts";

/** How long we try to resume a stream that broke before its answer came, ms. */
const resumeMs = 6_000;
/** Time limit for ending a session when the client opens another, ms. */
const leaveMs = 5_000;

/**
 * How many requests may wait for their answers at the same time. The runtime runs 256 HTTP requests per process and
 * queues the rest. Keep some free for the client's answers to the server's own requests, or both sides would wait for
 * ever.
 */
const mostAtOnce = 200;

const eventStream = "text/event-stream";
const json = "application/json";

/** The Streamable HTTP transport (MCP 2025-11-25, basic/transports). */
export class StreamableHttp implements Transport {
  readonly #server: ServerClient;
  readonly #events: TransportEvents;
  readonly #log: Log;
  readonly #givenMs: number | undefined;
  readonly #closed = new AbortController();
  readonly #slots = new Slots(mostAtOnce);
  /** large messages take turns */
  readonly #large = new Slots(1);
  #session: string | undefined;
  #protocol: string | undefined;
  #ready = false;
  #listening: AbortController | undefined;
  /** answers that come on the server's own stream, while there is one */
  #late: LateAnswers | undefined;

  /** @param givenMs how long the user lets a request wait without a byte from the server, ms; 0: for ever; undefined: as usual */
  constructor(server: ServerClient, events: TransportEvents, log: Log, givenMs: number | undefined) {
    this.#server = server;
    this.#events = events;
    this.#log = log;
    this.#givenMs = givenMs;
  }

  get ready(): boolean {
    return this.#ready;
  }

  reset(): void {
    this.#ready = false;
    this.#session = undefined;
    this.#protocol = undefined;
    this.#listening?.abort();
    this.#listening = undefined;
  }

  leave(): void {
    void this.#endSession(leaveMs);
    this.reset();
  }

  async send(pending: PendingMessage): Promise<SendOutcome> {
    const carried = this.#carry(pending);
    if (!pending.asks) return await carried;
    // After the last answer, #carry continues to read in the background.
    return await Promise.race([carried, pending.settled.then((): SendOutcome => ({ kind: "done" }))]);
  }

  /** Sends a message; holds its slot until the HTTP request has ended, which may be after the last answer. */
  async #carry(pending: PendingMessage): Promise<SendOutcome> {
    const release = pending.asks ? await this.#slots.take() : () => undefined;
    const silence = silenceFor(pending, this.#givenMs);
    const time = silenceLimit(silence, this.#closed.signal, () => mcpFailure.silent(this.#server.url.origin, silence));
    if (pending.asks) void pending.settled.then(() => time.last(lingerFor(pending)));
    const session = this.#session;
    try {
      return await this.#post(pending, time);
    } catch (error) {
      if (error instanceof Forgotten) return this.#forget(session);
      if (this.#closed.signal.aborted) return { kind: "failed", error: mcpFailure.closing() };
      return { kind: "failed", error: asCodemieError(time.signal.aborted ? time.signal.reason : error) };
    } finally {
      time.end();
      release();
    }
  }

  async #post(pending: PendingMessage, time: SilenceLimit): Promise<SendOutcome> {
    const { carriage } = pending;
    const session = carriage.hasSession ? this.#session : undefined;
    const own = carriage.hasSession ? this.#headers() : carriage.headers(pending.text);
    const lost = this.#late?.lost;
    let response = await this.#server.send({
      method: "POST",
      headers: { ...own, "content-type": json, accept: `${json}, ${eventStream}` },
      body: pending.text,
      signal: time.signal,
      time,
      attended: pending.attended,
      pending,
      inSession: session !== undefined && !pending.resent,
    });
    pending.take();
    time.touch();
    if (!pending.asks) time.last(lingerFor(pending));
    if (!response.ok) return await this.#refused(response, pending, session);
    if (pending.method === "initialize") this.#session = response.headers.get("mcp-session-id") ?? undefined;
    if (mediaType(response) === "" && response.status !== 202 && pending.owed.size > 0) {
      response = await withType(response, this.#server.url.origin);
    }
    const type = mediaType(response);
    if (type === eventStream) return await this.#follow(response, pending, time);
    if (pending.owed.size === 0) {
      await response.body?.cancel();
      return { kind: "done" };
    }
    if (type === json) {
      await this.#deliverWhole(response, pending, time);
      return { kind: "done" };
    }
    await response.body?.cancel();
    const late = this.#late;
    if (response.status === 202 && (await late?.wait(pending, time, lost ?? late.lost))) return { kind: "done" };
    const what =
      response.status === 202
        ? "it accepted a request without answering it"
        : `it sent ${this.#server.masked(type) || "nothing"}`;
    return { kind: "failed", error: mcpFailure.notMcp(this.#server.url.origin, what), status: response.status };
  }

  /** Handles an error status: delivers the server's own JSON-RPC error if there is one, else fails by the status. */
  async #refused(response: Response, pending: PendingMessage, session: string | undefined): Promise<SendOutcome> {
    const { status } = response;
    const text = await bounded(response, longestRefusal);
    const envelope = readEnvelope(text);
    const detail = this.#server.faultIn(text);
    const answered = typeof envelope !== "string" && envelope.answers.some((key) => pending.owes(key));
    if (session !== undefined && (status === 404 || (!answered && forgetsSession(status, detail)))) {
      return this.#forget(session);
    }
    if (answered) {
      await this.#deliver(text, pending);
      return { kind: "done" };
    }
    return { kind: "failed", error: mcpFailure.status(this.#server.url.origin, status, detail), status, text };
  }

  #forget(session: string | undefined): SendOutcome {
    if (this.#session === session) this.reset();
    return { kind: "session-lost" };
  }

  /** Reads a stream that answers a request; if it ends early, resumes it after the last event, if that has an id. */
  async #follow(first: Response, pending: PendingMessage, time: SilenceLimit): Promise<SendOutcome> {
    const lost: SendOutcome = { kind: "failed", error: mcpFailure.lost(this.#server.url.origin) };
    const position: Position = {};
    const session = this.#session;
    const streak = new Streak();
    for (let response: Response | undefined = first; response; ) {
      streak.opened();
      streak.ended(await this.#read(response, position, pending, time));
      if (pending.owed.size === 0) return { kind: "done" };
      if (!pending.carriage.hasSession || headerSafe(position.lastEventId) === undefined) return lost;
      response = await this.#resume(position, session, pending, time, streak);
    }
    return lost;
  }

  /** Resumes a broken stream; gives up after {@link resumeMs}, or when the session has changed. */
  async #resume(
    position: Position,
    session: string | undefined,
    { attended }: PendingMessage,
    time: SilenceLimit,
    streak: Streak,
  ): Promise<Response | undefined> {
    const brokenAt = performance.now();
    for (let first = true; first || performance.now() - brokenAt < resumeMs; first = false) {
      await pause(streak.pauseMs(position.retryMs), time.signal);
      if (time.signal.aborted) throw time.signal.reason;
      if (this.#session !== session) return undefined;
      try {
        const response = await this.#get(position.lastEventId, time.signal, attended);
        if (mediaType(response) === eventStream) return response;
        await response.body?.cancel();
        return undefined;
      } catch (error) {
        streak.failed();
        this.#log.info(`a stream could not be resumed: ${loggable(error)}`);
      }
    }
    return undefined;
  }

  /** Reads until the stream ends or breaks. @returns how many events came */
  async #read(response: Response, position: Position, pending: PendingMessage, time: SilenceLimit): Promise<number> {
    let events = 0;
    const turn = new Turn(this.#large, time.signal);
    const onEvent = async ({ type, data }: StreamEvent) => {
      events++;
      if (type === "message") await this.#deliver(data, pending);
    };
    try {
      return await readEvents(response.body, position, onEvent, () => time.touch(), turn);
    } catch (error) {
      if (pending.owed.size === 0) return events;
      if (time.signal.aborted || error instanceof CodemieError || error instanceof Forgotten) throw error;
      // The runtime's message holds the whole address, so log its code only.
      this.#log.info(`a stream broke: ${systemCode(error) || "unknown error"}`);
      return events;
    } finally {
      turn.end();
    }
  }

  /** Reads a message that is a whole body, and delivers it. */
  async #deliverWhole(response: Response, pending: PendingMessage, time: SilenceLimit): Promise<void> {
    const turn = new Turn(this.#large, time.signal);
    const onBytes = (held: number) => {
      time.touch();
      return turn.holds(held);
    };
    try {
      await this.#deliver(await whole(response, this.#server.url.origin, onBytes), pending);
    } finally {
      turn.end();
    }
  }

  /** @throws Forgotten for an answer that says that the server does not know the session, unless it is the second one */
  async #deliver(text: string, pending: PendingMessage): Promise<void> {
    if (/^\s*\[/.test(text)) {
      const envelope = readEnvelope(text);
      if (typeof envelope !== "string" && envelope.isArray && !envelope.isTooDeep) {
        for (const one of envelope.messages) await this.#deliver(one.text, pending);
        return;
      }
    }
    const isInSession = this.#session !== undefined && pending.carriage.hasSession;
    if (isInSession && pending.asks && !pending.resent && isForgotten(text)) throw new Forgotten();
    if (pending.method === "initialize") {
      this.#ready ||= memberAt(text, "result") !== undefined;
      this.#protocol = headerSafe(textAt(text, "result", "protocolVersion")) ?? this.#protocol;
    }
    await this.#events.message(text, pending);
  }

  listen(): void {
    if (this.#listening || this.#closed.signal.aborted) return;
    const controller = new AbortController();
    this.#listening = controller;
    void this.#listen(AbortSignal.any([controller.signal, this.#closed.signal]));
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const session = this.#session;
    const late = new LateAnswers();
    this.#late = late;
    const lost = await followServerStream({
      origin: this.#server.url.origin,
      get: (lastEventId) => this.#get(lastEventId, signal, false),
      message: (text) => this.#events.message(text),
      turn: new Turn(this.#large, signal),
      onBytes: () => late.touch(),
      onBreak: () => late.broke(),
      log: this.#log,
      signal,
    });
    if (this.#late === late) this.#late = undefined;
    late.broke();
    if (!lost || session === undefined || this.#session !== session) return;
    this.#log.info("the server no longer knows the session");
    this.reset();
    this.#events.lost();
  }

  async #get(lastEventId: string | undefined, signal: AbortSignal, attended: boolean): Promise<Response> {
    const headers = { ...this.#headers(), accept: eventStream, "last-event-id": headerSafe(lastEventId) };
    return await this.#server.send({
      method: "GET",
      headers,
      signal,
      attended,
      inSession: this.#session !== undefined,
    });
  }

  #headers(): Record<string, string | undefined> {
    return { "mcp-session-id": this.#session, "mcp-protocol-version": this.#protocol };
  }

  async close(patienceMs: number): Promise<void> {
    const ended = this.#endSession(patienceMs);
    this.reset();
    this.#closed.abort();
    await ended;
  }

  /** Tells the server that the session is over. Never rejects. */
  async #endSession(patienceMs: number): Promise<void> {
    const headers = this.#headers();
    if (this.#session === undefined) return;
    try {
      const signal = AbortSignal.timeout(patienceMs);
      const response = await this.#server.send({ method: "DELETE", headers, signal, attended: false, inSession: true });
      await response.body?.cancel();
    } catch (error) {
      this.#log.debug(`the session could not be ended: ${loggable(error)}`);
    }
  }
}
