import { backoffMs, pause, within } from "../../core/time.ts";
import { edited, objectText, valueIn } from "../json-text.ts";
import { type Log, loggable } from "../log.ts";
import { memberAt, textAt } from "../message.ts";
import type { Asks } from "./ask.ts";
import type { ModernServer } from "./modern-server.ts";
import { metaNames, requestText } from "./revision-2026-07-28.ts";

/** How long the server may take to confirm a subscription, ms. */
const confirmMs = 30_000;

export interface ChangesOptions {
  readonly server: ModernServer;
  readonly asks: Asks;
  readonly log: Log;
  /** what each request says in `_meta`, JSON text by name */
  readonly meta: ReadonlyMap<string, string>;
  /** of the server, JSON text */
  readonly capabilities: string | undefined;
  /** resources that the client has subscribed to already */
  readonly addresses: Iterable<string>;
  /** takes a notification */
  readonly pass: (text: string) => Promise<void>;
}

/** One stream of changes. */
interface Stream {
  readonly end: () => void;
  /** resolves with the addresses that the server confirmed; rejects when it did not confirm any */
  readonly confirmed: Promise<readonly string[]>;
}

/**
 * Changes that a client of an earlier revision hears of without asking, and those it subscribes to, from one `subscriptions/listen` at a
 * server of MCP 2026-07-28 (basic/patterns/subscriptions).
 */
export class Changes {
  readonly #options: ChangesOptions;
  readonly #ended = new AbortController();
  /** resources that the client has subscribed to */
  readonly addresses: Set<string>;
  #stream: Stream | undefined;
  #isListening = false;

  constructor(options: ChangesOptions) {
    this.#options = options;
    this.addresses = new Set(options.addresses);
  }

  /** Begins to listen. */
  listen(): void {
    this.#isListening = true;
    this.#follow();
  }

  /** Ends the stream for good. */
  end(): void {
    this.#ended.abort();
  }

  /**
   * Subscribes to the changes of a resource.
   *
   * @param gone resolves when nobody waits any more
   * @returns true when the server confirmed it
   */
  async add(uri: string, gone: Promise<void>): Promise<boolean> {
    this.addresses.add(uri);
    this.listen();
    let isConfirmed = false;
    const confirmed = this.#confirmed(uri).then((is) => {
      isConfirmed = is;
    });
    await within(confirmMs, Promise.race([confirmed, gone]));
    if (!isConfirmed) this.remove(uri);
    return isConfirmed;
  }

  /** @returns whether the server confirms an address; one stream may take the place of another meanwhile */
  async #confirmed(uri: string): Promise<boolean> {
    for (;;) {
      const stream = this.#stream;
      const addresses = await stream?.confirmed.catch(() => undefined);
      if (addresses || stream === this.#stream) return addresses?.includes(uri) === true;
    }
  }

  /** Ends the subscription to a resource. */
  remove(uri: string): void {
    if (this.addresses.delete(uri)) this.#follow();
  }

  /** Opens a stream for what the client wants to know of; the one before ends when the server has confirmed the new one, or does not. */
  #follow(): void {
    if (!this.#isListening || this.#ended.signal.aborted) return;
    const before = this.#stream;
    const filter = this.#filter();
    this.#stream = filter === undefined ? undefined : this.#open(filter);
    const over = () => before?.end();
    if (this.#stream) void within(confirmMs, this.#stream.confirmed).then(over);
    else over();
  }

  /** @returns the filter of notifications, JSON text; undefined when there is nothing to wait for */
  #filter(): string | undefined {
    const { capabilities } = this.#options;
    const lists = ["tools", "prompts", "resources"].filter(
      (kind) => memberAt(capabilities, kind, "listChanged") === "true",
    );
    const filter = new Map(lists.map((kind) => [`${kind}ListChanged`, "true"]));
    if (this.addresses.size > 0) filter.set("resourceSubscriptions", JSON.stringify([...this.addresses]));
    return filter.size === 0 ? undefined : objectText(filter);
  }

  #open(filter: string): Stream {
    const own = new AbortController();
    const signal = AbortSignal.any([own.signal, this.#ended.signal]);
    const confirmed = Promise.withResolvers<readonly string[]>();
    confirmed.promise.catch(() => undefined);
    void this.#keepOpen(filter, signal, confirmed);
    return { end: () => own.abort(), confirmed: confirmed.promise };
  }

  /** Keeps a stream open until the signal aborts. Never rejects. */
  async #keepOpen(notifications: string, signal: AbortSignal, first: PromiseWithResolvers<readonly string[]>) {
    const { server, asks, log, meta, pass } = this.#options;
    for (let failures = 0; !signal.aborted; failures++) {
      const other = async (text: string) => {
        if (textAt(text, "method") === "notifications/subscriptions/acknowledged") {
          failures = 0;
          first.resolve(addressesIn(text));
        } else if (!signal.aborted) await pass(withoutSubscription(text));
      };
      let isRefused = false;
      const answer = (text: string) => {
        isRefused = memberAt(text, "error") !== undefined;
      };
      const text = requestText(asks.newKey(), "subscriptions/listen", { notifications }, meta);
      const outcome = await server.send({ text, attended: false, signal, answer, other }, "subscriptions/listen");
      first.reject(new Error("not confirmed"));
      if (signal.aborted) return;
      if (outcome.kind === "failed") log.info(`the stream of changes: ${loggable(outcome.error)}`);
      if (isRefused) return log.info("the server refuses the stream of changes");
      await pause(backoffMs(failures), signal);
    }
  }
}

/** @returns the addresses that the server sends changes of */
function addressesIn(confirmation: string): string[] {
  const list = valueIn(memberAt(confirmation, "params", "notifications", "resourceSubscriptions"));
  return Array.isArray(list) ? list.map(String) : [];
}

/** The earlier revisions know one stream, so nothing names it. */
const withoutSubscription = (text: string): string =>
  edited(text, {
    params: (params) =>
      params &&
      edited(params, {
        _meta: (meta) => {
          const rest = edited(meta ?? "{}", { [metaNames.subscription]: undefined });
          return rest === "{}" ? undefined : rest;
        },
      }),
  });
