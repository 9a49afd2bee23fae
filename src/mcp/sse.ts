import { asCodemieError } from "../core/errors.ts";
import { addressOnly } from "../core/text.ts";
import { within } from "../core/time.ts";
import { readEvents, type StreamEvent } from "./events.ts";
import { mcpFailure } from "./failures.ts";
import type { Log } from "./log.ts";
import type { PendingMessage } from "./pending-message.ts";
import { bounded, faultOf, mediaType } from "./response.ts";
import type { ServerClient } from "./server-client.ts";
import { type SilenceLimit, silenceLimit } from "./silence-limit.ts";
import { lingerMs, type SendOutcome, silenceFor, type Transport, type TransportEvents } from "./transport.ts";

/** How long the server may take to open its stream and name its endpoint, ms. */
const openMs = 15_000;
/** Longest answer to a refused message that is looked at, characters. */
const longestRefusal = 65_536;

/** One stream of the server: a session that ends with it. */
interface Channel {
  /** where messages go */
  readonly endpoint: URL;
  /** resolves when the stream has ended, however */
  readonly ended: Promise<void>;
  readonly close: () => void;
  /** time limits of those who wait for an answer on it: every byte is a sign of life */
  readonly waiting: Set<SilenceLimit>;
  /** an `initialize` was answered on it */
  initialized: boolean;
}

/** The HTTP+SSE transport of MCP 2024-11-05: messages go up by POST, everything comes down on one stream. */
export class Sse implements Transport {
  readonly #server: ServerClient;
  readonly #events: TransportEvents;
  readonly #log: Log;
  readonly #silenceMs: number;
  readonly #closed = new AbortController();
  #channel: Channel | undefined;
  #opening: Promise<Channel> | undefined;

  /** @param silenceMs how long a request may wait without a byte from the server, ms; 0 for ever */
  constructor(server: ServerClient, events: TransportEvents, log: Log, silenceMs: number) {
    this.#server = server;
    this.#events = events;
    this.#log = log;
    this.#silenceMs = silenceMs;
  }

  get ready(): boolean {
    return this.#channel?.initialized ?? false;
  }

  reset(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }

  leave(): void {
    // The session ends with its stream.
    this.reset();
  }

  listen(): void {
    // The one stream is open as long as the session lasts.
  }

  /**
   * Opens the stream, unless it is open.
   *
   * @param attended false: no browser is opened for it
   * @throws `wrong_base_url` when what answers is no such server; as {@link ServerClient.send}
   */
  async open(attended: boolean): Promise<Channel> {
    if (this.#channel) return this.#channel;
    this.#opening ??= this.#connect(attended).finally(() => {
      this.#opening = undefined;
    });
    return await this.#opening;
  }

  async send(pending: PendingMessage): Promise<SendOutcome> {
    const silence = pending.asks ? silenceFor(pending, this.#silenceMs) : openMs;
    const time = silenceLimit(silence, this.#closed.signal, () => mcpFailure.silent(this.#server.url.origin, silence));
    if (pending.asks) void pending.settled.then(() => time.last(lingerMs));
    let channel: Channel | undefined;
    try {
      time.hold();
      channel = await this.open(pending.attended);
      channel.waiting.add(time);
      time.touch();
      const response = await this.#server.send({
        url: channel.endpoint,
        method: "POST",
        headers: { "content-type": "application/json" },
        body: pending.text,
        signal: time.signal,
        time,
        attended: pending.attended,
        pending,
      });
      pending.take();
      const { status } = response;
      const refusal = response.ok ? "" : await bounded(response, longestRefusal);
      if (response.ok) await response.body?.cancel();
      else if (status === 404 && channel.initialized) {
        if (this.#channel === channel) this.reset();
        return { kind: "session-lost" };
      } else
        return { kind: "failed", error: mcpFailure.status(this.#server.url.origin, status, faultOf(refusal)), status };
      const silent = new Promise<void>((resolve) => time.signal.addEventListener("abort", () => resolve()));
      if (!time.signal.aborted) await Promise.race([pending.settled, channel.ended, silent]);
      if (time.signal.aborted) throw time.signal.reason;
      if (pending.owed.size > 0) return { kind: "failed", error: mcpFailure.lost(this.#server.url.origin) };
      if (pending.method === "initialize") channel.initialized = true;
      return { kind: "done" };
    } catch (error) {
      if (!pending.wanted) return { kind: "done" };
      return { kind: "failed", error: this.#closed.signal.aborted ? mcpFailure.closing() : asCodemieError(error) };
    } finally {
      channel?.waiting.delete(time);
      time.end();
    }
  }

  async #connect(attended: boolean): Promise<Channel> {
    const { origin } = this.#server.url;
    const own = new AbortController();
    const opening = silenceLimit(openMs, AbortSignal.any([own.signal, this.#closed.signal]), () =>
      mcpFailure.silent(origin, openMs),
    );
    const headers = { accept: "text/event-stream" };
    try {
      const { signal } = opening;
      const response = await this.#server.send({ method: "GET", headers, signal, time: opening, attended });
      if (!response.ok) {
        throw mcpFailure.status(origin, response.status, faultOf(await bounded(response, longestRefusal)));
      }
      if (mediaType(response) !== "text/event-stream") {
        await response.body?.cancel();
        throw mcpFailure.notMcp(origin, `it sent ${mediaType(response) || "nothing"} instead of a stream`);
      }
      const endpoint = Promise.withResolvers<URL>();
      endpoint.promise.catch(() => undefined);
      const waiting = new Set<SilenceLimit>();
      const onEvent = async ({ type, data }: StreamEvent) => {
        if (type === "message") await this.#events.message(data);
        else if (type === "endpoint") this.#take(data, endpoint);
      };
      const reading = readEvents(response.body, {}, onEvent, () => {
        for (const time of waiting) time.touch();
      });
      let channel: Channel | undefined;
      const ended = reading.catch(() => undefined).then(() => this.#ended(channel));
      const failed = ended.then(() => {
        if (opening.signal.aborted) throw opening.signal.reason;
        throw mcpFailure.notMcp(origin, "its stream ended before it named an endpoint");
      });
      failed.catch(() => undefined);
      channel = {
        endpoint: await Promise.race([endpoint.promise, failed]),
        ended,
        close: () => own.abort(),
        waiting,
        initialized: false,
      };
      this.#channel = channel;
      return channel;
    } catch (error) {
      own.abort();
      throw error;
    } finally {
      opening.end();
    }
  }

  /** The endpoint has to be the server's own: messages and token go there. */
  #take(data: string, endpoint: PromiseWithResolvers<URL>): void {
    const url = URL.parse(data, this.#server.url.href);
    if (url?.origin === this.#server.url.origin) endpoint.resolve(url);
    else endpoint.reject(mcpFailure.redirect(addressOnly(this.#server.url), url ? addressOnly(url) : "nowhere"));
  }

  #ended(channel: Channel | undefined): void {
    if (this.#channel !== channel || this.#closed.signal.aborted) return;
    this.#channel = undefined;
    this.#log.info("the server's stream ended");
    if (channel?.initialized) this.#events.lost();
  }

  async close(patienceMs: number): Promise<void> {
    this.#closed.abort();
    if (this.#channel) await within(patienceMs, this.#channel.ended);
  }
}
