import type { Log } from "./log.ts";
import type { PendingMessage } from "./pending-message.ts";
import type { Sse } from "./sse.ts";
import type { StreamableHttp } from "./streamable-http.ts";
import type { SendOutcome, Transport } from "./transport.ts";

/** Statuses that an old server sends for a POST to its stream's address (MCP 2025-11-25, backwards compatibility). */
const oldServer = [400, 404, 405];

/**
 * Streamable HTTP. If the first message shows that the server only knows the older transport, HTTP+SSE for the rest of
 * the run.
 */
export class Auto implements Transport {
  readonly #older: () => Promise<Sse>;
  readonly #log: Log;
  #chosen: Transport;
  #undecided = true;

  constructor(http: StreamableHttp, older: () => Promise<Sse>, log: Log) {
    this.#chosen = http;
    this.#older = older;
    this.#log = log;
  }

  get ready(): boolean {
    return this.#chosen.ready;
  }

  async send(pending: PendingMessage): Promise<SendOutcome> {
    // A message without a session finds out which revision a server speaks; only a session has an older transport.
    const undecided = this.#undecided && pending.carriage.hasSession;
    const outcome = await this.#chosen.send(pending);
    if (!undecided || !this.#undecided) return outcome;
    if (outcome.kind === "done") this.#undecided = false;
    if (outcome.kind !== "failed" || outcome.status === undefined || !oldServer.includes(outcome.status))
      return outcome;
    const [sse, { openMs }] = await Promise.all([this.#older(), import("./sse.ts")]);
    try {
      // The server is awake, so it needs no more than the usual time, whatever the user allows.
      await sse.open(pending.attended, openMs);
    } catch {
      // It is not an old server either, so its first answer counts.
      return outcome;
    }
    this.#log.info("the server speaks the older HTTP+SSE transport");
    this.#undecided = false;
    this.#chosen = sse;
    return await sse.send(pending);
  }

  listen(): void {
    this.#chosen.listen();
  }

  reset(): void {
    this.#chosen.reset();
  }

  leave(): void {
    this.#chosen.leave();
  }

  async close(patienceMs: number): Promise<void> {
    await this.#chosen.close(patienceMs);
  }
}
