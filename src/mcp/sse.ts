import { asCodemieError } from "../core/errors.ts";
import { addressOnly } from "../core/text.ts";
import { within } from "../core/time.ts";
import { readEvents, type StreamEvent } from "./events.ts";
import { mcpFailure } from "./failures.ts";
import { forgetsSession } from "./forgotten.ts";
import type { Log } from "./log.ts";
import type { PendingMessage } from "./pending-message.ts";
import { bounded, longestRefusal, mediaType } from "./response.ts";
import type { ServerClient } from "./server-client.ts";
import { aborted, type SilenceLimit, silenceLimit } from "./silence-limit.ts";
import { lingerFor, type SendOutcome, silenceFor, type Transport, type TransportEvents } from "./transport.ts";

/** Time limit for the server to open its stream and name its endpoint, where the user sets none, ms. */
export const openMs = 15_000;

/** One stream of the server. The session ends with it. */
interface Channel {
  /** where to post messages */
  readonly endpoint: URL;
  /** resolves when the stream has ended or broken */
  readonly ended: Promise<void>;
  readonly close: () => void;
  /** time limits of requests that wait for an answer on it; every byte resets them */
  readonly waiting: Set<SilenceLimit>;
  /** true: an `initialize` was answered on it */
  initialized: boolean;
}

/** The HTTP+SSE transport of MCP 2024-11-05: the client posts messages; one stream brings all answers. */
export class Sse implements Transport {
  readonly #server: ServerClient;
  readonly #events: TransportEvents;
  readonly #log: Log;
  readonly #givenMs: number | undefined;
  readonly #closed = new AbortController();
  #channel: Channel | undefined;
  #opening: Promise<Channel> | undefined;

  /** @param givenMs how long the user lets a request wait without a byte from the server, ms; 0: for ever; undefined: as usual */
  constructor(server: ServerClient, events: TransportEvents, log: Log, givenMs: number | undefined) {
    this.#server = server;
    this.#events = events;
    this.#log = log;
    this.#givenMs = givenMs;
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
    // The stream that brings the answers brings the server's own messages too.
  }

  /**
   * Opens the stream, unless it is open.
   *
   * @param attended false: nobody waits for it, so no browser opens for it
   * @param limitMs time limit, ms; 0: for ever
   * @returns the open stream
   * @throws `wrong_base_url` when the address is no such server; `server_error` or `auth_refused` by its status;
   *   `unreachable` when it is silent; as {@link ServerClient.send}
   */
  async open(attended: boolean, limitMs = this.#givenMs ?? openMs): Promise<Channel> {
    if (this.#channel) return this.#channel;
    this.#opening ??= this.#connect(attended, limitMs).finally(() => {
      this.#opening = undefined;
    });
    return await this.#opening;
  }

  async send(pending: PendingMessage): Promise<SendOutcome> {
    const silence = pending.asks ? silenceFor(pending, this.#givenMs) : (this.#givenMs ?? openMs);
    const time = silenceLimit(silence, this.#closed.signal, () => mcpFailure.silent(this.#server.url.origin, silence));
    if (pending.asks) void pending.settled.then(() => time.last(lingerFor(pending)));
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
        inSession: channel.initialized && !pending.resent,
      });
      pending.take();
      const { status } = response;
      const refusal = response.ok ? "" : await bounded(response, longestRefusal);
      if (response.ok) await response.body?.cancel();
      else if (
        channel.initialized &&
        !pending.resent &&
        forgetsSession(status, this.#server.faultIn(refusal) ?? refusal)
      ) {
        if (this.#channel === channel) this.reset();
        return { kind: "session-lost" };
      } else
        return {
          kind: "failed",
          error: mcpFailure.status(this.#server.url.origin, status, this.#server.faultIn(refusal)),
          status,
        };
      await Promise.race([pending.settled, channel.ended, aborted(time.signal)]);
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

  async #connect(attended: boolean, limitMs: number): Promise<Channel> {
    const { origin } = this.#server.url;
    const own = new AbortController();
    const opening = silenceLimit(limitMs, AbortSignal.any([own.signal, this.#closed.signal]), () =>
      mcpFailure.silent(origin, limitMs),
    );
    const headers = { accept: "text/event-stream" };
    try {
      const { signal } = opening;
      const response = await this.#server.send({ method: "GET", headers, signal, time: opening, attended });
      if (!response.ok) {
        throw mcpFailure.status(origin, response.status, this.#server.faultIn(await bounded(response, longestRefusal)));
      }
      if (mediaType(response) !== "text/event-stream") {
        await response.body?.cancel();
        throw mcpFailure.notMcp(
          origin,
          `it sent ${this.#server.masked(mediaType(response)) || "nothing"} instead of a stream`,
        );
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

  /** Takes the endpoint, which must have the server's origin: messages and token go there. */
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
