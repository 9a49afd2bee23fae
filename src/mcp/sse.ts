import { asCodemieError, failure } from "../core/errors.ts";
import { deadline } from "./deadline.ts";
import { readEvents } from "./events.ts";
import type { Exchange } from "./exchange.ts";
import { addressOnly, type Log } from "./log.ts";
import { faultOf } from "./message.ts";
import { bounded, mediaType } from "./response.ts";
import { type Outcome, type Transport, type TransportEvents, within } from "./transport.ts";
import type { Wire } from "./wire.ts";

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
  /** an `initialize` was answered on it */
  initialized: boolean;
}

/** The HTTP+SSE transport of MCP 2024-11-05: messages go up by POST, everything comes down on one stream. */
export class Sse implements Transport {
  readonly #wire: Wire;
  readonly #events: TransportEvents;
  readonly #log: Log;
  readonly #silenceMs: number;
  readonly #closed = new AbortController();
  #channel: Channel | undefined;
  #opening: Promise<Channel> | undefined;

  /** @param silenceMs how long a request may wait for its answer, ms; 0 for ever */
  constructor(wire: Wire, events: TransportEvents, log: Log, silenceMs: number) {
    this.#wire = wire;
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

  listen(): void {
    // The one stream is open as long as the session lasts.
  }

  /**
   * Opens the stream, unless it is open.
   *
   * @throws `wrong_base_url` when what answers is no such server; as {@link Wire.send}
   */
  async open(): Promise<Channel> {
    if (this.#channel) return this.#channel;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return await this.#opening;
  }

  async send(exchange: Exchange): Promise<Outcome> {
    const silence = exchange.owed.size > 0 ? this.#silenceMs : openMs;
    const time = deadline(silence, this.#closed.signal, () => failure.mcpSilent(this.#wire.url.origin, silence));
    try {
      time.hold();
      const channel = await this.open();
      time.touch();
      const response = await this.#wire.send({
        url: channel.endpoint,
        method: "POST",
        headers: { "content-type": "application/json" },
        body: exchange.text,
        signal: time.signal,
        time,
        attended: true,
      });
      exchange.take();
      const { status } = response;
      const refusal = response.ok ? "" : await bounded(response, longestRefusal);
      if (response.ok) await response.body?.cancel();
      else if (status === 404 && channel.initialized) {
        this.reset();
        return { kind: "session-lost" };
      } else
        return { kind: "failed", error: failure.mcpStatus(this.#wire.url.origin, status, faultOf(refusal)), status };
      const silent = new Promise<void>((resolve) => time.signal.addEventListener("abort", () => resolve()));
      await Promise.race([exchange.settled, channel.ended, silent]);
      if (time.signal.aborted) throw time.signal.reason;
      if (exchange.owed.size > 0) return { kind: "failed", error: failure.mcpLost(this.#wire.url.origin) };
      if (exchange.method === "initialize") channel.initialized = true;
      return { kind: "done" };
    } catch (error) {
      return { kind: "failed", error: this.#closed.signal.aborted ? failure.mcpClosing() : asCodemieError(error) };
    } finally {
      time.end();
    }
  }

  async #connect(): Promise<Channel> {
    const { origin } = this.#wire.url;
    const own = new AbortController();
    const opening = deadline(openMs, AbortSignal.any([own.signal, this.#closed.signal]), () =>
      failure.mcpSilent(origin, openMs),
    );
    const headers = { accept: "text/event-stream" };
    try {
      const { signal } = opening;
      const response = await this.#wire.send({ method: "GET", headers, signal, time: opening, attended: true });
      if (!response.ok) {
        throw failure.mcpStatus(origin, response.status, faultOf(await bounded(response, longestRefusal)));
      }
      if (mediaType(response) !== "text/event-stream") {
        await response.body?.cancel();
        throw failure.mcpNotMcp(origin, `it sent ${mediaType(response) || "nothing"} instead of a stream`);
      }
      const endpoint = Promise.withResolvers<URL>();
      endpoint.promise.catch(() => undefined);
      const reading = readEvents(response.body, {}, (event) => {
        if (event.type === "message") this.#events.message(event.data);
        else if (event.type === "endpoint") this.#take(event.data, endpoint);
      });
      let channel: Channel | undefined;
      const ended = reading.catch(() => undefined).then(() => this.#ended(channel));
      const failed = ended.then(() => {
        if (opening.signal.aborted) throw opening.signal.reason;
        throw failure.mcpNotMcp(origin, "its stream ended before it named an endpoint");
      });
      failed.catch(() => undefined);
      channel = {
        endpoint: await Promise.race([endpoint.promise, failed]),
        ended,
        close: () => own.abort(),
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
    const url = URL.parse(data, this.#wire.url.href);
    if (url?.origin === this.#wire.url.origin) endpoint.resolve(url);
    else endpoint.reject(failure.mcpRedirect(addressOnly(this.#wire.url), url ? addressOnly(url) : "nowhere"));
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
