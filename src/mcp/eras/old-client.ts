import { printable } from "../../core/text.ts";
import { mcpFailure } from "../failures.ts";
import { edited, membersOf, objectText } from "../json-text.ts";
import type { Log } from "../log.ts";
import { errorAnswer, type Key, memberAt, rpcCodes, textAt, withId } from "../message.ts";
import type { PendingMessage } from "../pending-message.ts";
import type { SendOutcome } from "../transport.ts";
import type { Asks } from "./ask.ts";
import { Changes } from "./changes.ts";
import type { ModernServer } from "./modern-server.ts";
import { asEarlierAnswer, openedText, serverRequests } from "./revision-2025-11-25.ts";
import { inputAskedIn, metaFor, metaNames, withMeta } from "./revision-2026-07-28.ts";

/** How often a request may ask for input. The official SDK has the same bound. */
const mostRounds = 10;
/** How many inputs it may ask for at a time. */
const mostInputs = 100;

export interface OldClientOptions {
  /** origin of the server, for messages */
  readonly origin: string;
  readonly server: ModernServer;
  readonly asks: Asks;
  readonly log: Log;
  /** passes a message on to the client; resolves once it has room for more */
  readonly up: (text: string) => Promise<void>;
  /** resources that the client has subscribed to in the session before, which went on here */
  readonly addresses: Iterable<string>;
}

/**
 * Lets a client of MCP 2025-11-25 or before use a server of 2026-07-28: it gets the session that it expects, and the server
 * requests that stand for themselves.
 */
export class OldClient {
  readonly #options: OldClientOptions;
  readonly #asked: string | undefined;
  readonly #meta: Map<string, string>;
  readonly #capabilities: ReadonlyMap<string, string>;
  /** the server's answer to `server/discover` */
  readonly #discovered: string;
  /** what the client was asked, by the id of our request */
  readonly #inputs = new Map<Key, (answer: string) => void>();
  readonly #changes: Changes;

  /**
   * @param opening the client's `initialize`
   * @param discovered the server's answer to `server/discover`
   */
  constructor(options: OldClientOptions, opening: string, discovered: string) {
    this.#options = options;
    this.#discovered = discovered;
    this.#asked = textAt(opening, "params", "protocolVersion");
    this.#meta = metaFor(opening);
    this.#capabilities = membersOf(this.#meta.get(metaNames.capabilities)) ?? new Map();
    const capabilities = memberAt(discovered, "result", "capabilities");
    this.#changes = new Changes({ ...options, meta: this.#meta, capabilities, pass: (text) => this.#pass(text) });
  }

  /** Ends what was begun for the client. @returns the resources that it has subscribed to */
  end(): Iterable<string> {
    this.#changes.end();
    return this.#changes.addresses;
  }

  /** Answers the client's `initialize`. */
  async open(pending: PendingMessage): Promise<SendOutcome> {
    const result = memberAt(this.#discovered, "result");
    const unnamed = JSON.stringify({ name: new URL(this.#options.origin).host, version: "unknown" });
    return await this.#answer(pending, (key) =>
      openedText(key, this.#asked, {
        capabilities: memberAt(result, "capabilities") ?? "{}",
        server: memberAt(result, "_meta", metaNames.server) ?? unnamed,
        instructions: memberAt(result, "instructions"),
      }),
    );
  }

  /** Begins to receive the server's own messages. */
  listen(): void {
    this.#changes.listen();
  }

  /** Takes a message that asks for nothing: an answer to what we asked in the server's place, or a notification. */
  notice(pending: PendingMessage): SendOutcome {
    pending.take();
    for (const { text, answers } of pending.envelope.messages) {
      if (answers !== undefined) this.#inputs.get(answers)?.(text);
    }
    // The others have no meaning there: a request is cancelled by ending it, which the one who sends it does.
    return { kind: "done" };
  }

  /** Sends a request of the client, or answers it. */
  async send(pending: PendingMessage): Promise<SendOutcome> {
    const { method, text } = pending;
    const uri = textAt(text, "params", "uri");
    if (method === "ping") return await this.#empty(pending);
    if (method === "logging/setLevel") {
      this.#meta.set(metaNames.logLevel, memberAt(text, "params", "level") ?? '"info"');
      return await this.#empty(pending);
    }
    if (method === "resources/subscribe" && uri !== undefined) return await this.#subscribe(pending, uri);
    if (method === "resources/unsubscribe" && uri !== undefined) {
      this.#changes.remove(uri);
      return await this.#empty(pending);
    }
    return await this.#request(pending);
  }

  async #answer(pending: PendingMessage, text: (key: Key) => string): Promise<SendOutcome> {
    pending.take();
    for (const key of pending.envelope.requests) await this.#options.up(text(key));
    return { kind: "done" };
  }

  #empty(pending: PendingMessage): Promise<SendOutcome> {
    return this.#answer(pending, (key) => `{"jsonrpc":"2.0","id":${key},"result":{}}`);
  }

  /** Sends a request until the server asks for no more input. */
  async #request(pending: PendingMessage): Promise<SendOutcome> {
    const { server, asks, up, origin } = this.#options;
    const [key = "null"] = pending.envelope.requests;
    const first = withMeta(pending.text, this.#meta);
    let text = first;
    for (let round = 0; ; round++) {
      let wanted: Map<string, string> | undefined;
      const answer = async (answered: string) => {
        wanted = inputAskedIn(answered);
        if (wanted) return;
        const earlier = asEarlierAnswer(answered, pending.method);
        await up(round === 0 ? earlier : withId(earlier, key));
      };
      const other = (message: string) => this.#pass(message);
      const outcome = await server.send(
        { text, for: pending, attended: pending.attended, answer, other },
        pending.method,
      );
      if (!wanted || outcome.kind !== "done") return outcome;
      if (round === mostRounds) return { kind: "failed", error: mcpFailure.inputWithoutEnd(origin, mostRounds) };
      const inputs = await this.#inputsFor(wanted.get("inputRequests") ?? "{}", pending);
      if (typeof inputs === "string") return { kind: "failed", error: mcpFailure.inputRefused(origin, inputs) };
      const state = wanted.get("requestState");
      const params = (old: string | undefined) =>
        edited(old ?? "{}", { inputResponses: inputs.size > 0 ? objectText(inputs) : undefined, requestState: state });
      text = edited(first, { id: asks.newKey(), params });
    }
  }

  /**
   * Asks the client for what the server wants to know.
   *
   * @param wanted requests by name, JSON text
   * @returns the client's results by name; the reason why there are none
   */
  async #inputsFor(wanted: string, pending: PendingMessage): Promise<Map<string, string> | string> {
    const members = membersOf(wanted);
    if (!members || members.size > mostInputs) return `it asks for more than ${mostInputs} inputs at a time`;
    const requests = [...members];
    const lacking = requests.map(([, request]) => this.#lacks(request)).find((one) => one !== undefined);
    if (lacking !== undefined) return `it asks for ${lacking}, which the client does not have`;
    const results = new Map<string, string>();
    const faults = await Promise.all(
      requests.map(async ([name, request]) => {
        const answer = await this.#input(request, pending);
        const result = memberAt(answer, "result");
        if (result !== undefined) results.set(name, result);
        return result === undefined ? (textAt(answer, "error", "message") ?? "the request was cancelled") : undefined;
      }),
    );
    const fault = faults.find((one) => one !== undefined);
    return fault === undefined ? results : `the client refused the input: ${printable(fault, 200)}`;
  }

  /** @returns what the client would need for a request of the server; undefined when it has it */
  #lacks(request: string): string | undefined {
    const method = textAt(request, "method") ?? "nothing";
    const needed = serverRequests[method];
    const capability = needed === undefined ? undefined : this.#capabilities.get(needed);
    if (needed === undefined || capability === undefined) return printable(method, 60);
    const isPage = textAt(request, "params", "mode") === "url";
    return isPage && memberAt(capability, "url") === undefined ? `${method} of a page` : undefined;
  }

  /** @returns the client's answer; undefined when it cancelled its own request meanwhile */
  async #input(request: string, pending: PendingMessage): Promise<string | undefined> {
    const key = this.#options.asks.newKey();
    const answered = Promise.withResolvers<string | undefined>();
    this.#inputs.set(key, answered.resolve);
    const isPage = textAt(request, "params", "mode") === "url";
    // The revision before names each page, so that its end can be told (MCP 2025-11-25, client/elicitation).
    const params = (old: string | undefined) =>
      edited(old ?? "{}", isPage ? { elicitationId: key } : { mode: undefined });
    const isElicitation = textAt(request, "method") === "elicitation/create";
    const changes = { jsonrpc: '"2.0"', id: key, ...(isElicitation ? { params } : {}) };
    await this.#options.up(edited(request, changes));
    const gone = pending.settled.then(() => undefined);
    const answer = await Promise.race([answered.promise, gone]);
    this.#inputs.delete(key);
    if (answer === undefined) {
      const reason = '"reason":"the request that asked for it was cancelled"';
      const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${key},${reason}}}`;
      await this.#options.up(cancelled);
    }
    return answer;
  }

  /** Passes on a notification; a server of this revision has no requests. */
  async #pass(text: string): Promise<void> {
    const method = textAt(text, "method");
    if (method === undefined || memberAt(text, "id") !== undefined || method === "notifications/cancelled") return;
    await this.#options.up(text);
  }

  async #subscribe(pending: PendingMessage, uri: string): Promise<SendOutcome> {
    if (await this.#changes.add(uri, pending.settled)) return await this.#empty(pending);
    return await this.#answer(pending, (key) =>
      errorAnswer(key, rpcCodes.failed, `codemie-mcp-proxy: the server sends no changes of ${printable(uri, 200)}`),
    );
  }
}
