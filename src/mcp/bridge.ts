import { asCodemieError, type CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import { backoffMs, pause, within } from "../core/time.ts";
import { mcpFailure } from "./failures.ts";
import { type Line, longestLine } from "./framing.ts";
import type { IgnoredTools } from "./ignored-tools.ts";
import { deepest } from "./json-text.ts";
import { type Log, loggable } from "./log.ts";
import {
  type Envelope,
  errorAnswer,
  type Key,
  type Message,
  oneLine,
  otherSpelling,
  readEnvelope,
  rpcCodes,
  textAt,
  withId,
} from "./message.ts";
import { PendingMessage } from "./pending-message.ts";
import type { Transport, TransportEvents } from "./transport.ts";
import { UntakenAnswers } from "./untaken-answers.ts";

export interface BridgeOptions {
  /** origin of the server, for messages */
  readonly origin: string;
  readonly transport: (events: TransportEvents) => Transport;
  /** masks, in the server's words, the secrets that it was sent */
  readonly masked: (words: string) => string;
  /**
   * writes one line to the client; resolves once the client has read it
   *
   * @param during the client's message that it was sent in answer to, where the transport knows
   */
  readonly write: (line: string, during?: PendingMessage) => Promise<void>;
  /** called when we have opened the session again */
  readonly reopened?: () => void;
  readonly log: Log;
  /** tools that the client is not to know of */
  readonly ignoredTools?: IgnoredTools | undefined;
}

/** How long a message without an answer may delay the ones after it, ms: long enough to keep their order. */
const orderMs = 5_000;
/**
 * How long a message without an answer waits until the server has taken the requests before it, ms. Each request has
 * its own connection, and a cancellation must not overtake its request. Some servers send no headers before the answer,
 * so the wait is short.
 */
const overtakeMs = 50;
/** At the end: how long the errors for open requests may take to be written, ms. */
const lastAnswersMs = 150;
/** How often we send a request again because the server had forgotten the session. */
const mostSessions = 2;

/**
 * Connects a client that speaks in lines of text with a server behind a transport. Messages pass unchanged. Every
 * request that the client does not cancel gets exactly one answer: the server's, or an error that says what to do. No
 * failure ends the bridge.
 */
export class Bridge {
  readonly #options: BridgeOptions;
  readonly #transport: Transport;
  readonly #closing = new AbortController();
  /** requests that still need an answer, the client's and our own */
  readonly #pending = new Map<Key, PendingMessage>();
  readonly #running = new Set<Promise<void>>();
  readonly #untaken = new Set<PendingMessage>();
  readonly #answers = new UntakenAnswers();
  #order: Promise<void> = Promise.resolve();
  /** the client's `initialize` under way: nothing else is sent before its answer */
  #handshake: Promise<void> | undefined;
  #renewal: { readonly done: Promise<void>; readonly attended: boolean } | undefined;
  /** the texts that the client opened its session with, to open another in its place */
  #initialize: string | undefined;
  #initialized: string | undefined;
  /** true: the log has noted that the server changes the type of ids */
  #isMisspelled = false;
  /** how many messages were dropped, and at which number the log notes it next */
  #dropped = 0;
  #nextNoted = 1;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#transport = options.transport({
      message: (text, during) => this.#fromServer(text, during),
      lost: () => void this.#revive(),
    });
  }

  /** Takes a line from the client. It returns immediately; messages are sent in their order. */
  fromClient(line: Line): void {
    if ("fault" in line) {
      const why =
        line.fault === "too-long" ? `a line is longer than ${longestLine} bytes` : "a line is not valid UTF-8";
      return void this.#refuse("null", rpcCodes.parse, `${why}; it was skipped`);
    }
    const envelope = readEnvelope(line.text);
    if (envelope === "not-json") return void this.#refuse("null", rpcCodes.parse, "a line is not JSON; it was skipped");
    if (envelope === "not-a-message") {
      return void this.#refuse("null", rpcCodes.invalid, "a line is JSON but not a JSON-RPC message; it was skipped");
    }
    if (envelope.isTooDeep) {
      const keys = envelope.requests.length > 0 ? envelope.requests : ["null"];
      const why = `a line is nested deeper than ${deepest} levels; it was skipped`;
      for (const key of keys) this.#refuse(key, rpcCodes.invalid, why);
      return;
    }
    const ignored = this.#options.ignoredTools?.refused(line.text);
    if (ignored !== undefined) {
      const why = `the tool ${printable(ignored, 100)} is left out by --ignore-tool`;
      for (const key of envelope.requests) this.#refuse(key, rpcCodes.failed, why, { code: "usage" });
      return;
    }
    // Not to read on would be worse: clients answer by themselves, and keep in memory what is not read.
    if (isAnswer(envelope) && !this.#answers.add(line.text.length)) return void this.#drop("too many answers wait");
    // A client answers a server's questions by itself: they must not open a browser, or the server opens one at will.
    const pending = new PendingMessage(line.text, envelope, false, envelope.requests.length > 0);
    this.#options.log.debug(`client → ${envelope.method ?? "answer"} ${envelope.requests} (${line.text.length})`);
    for (const key of envelope.requests) this.#pending.set(key, pending);
    // The client cancelled that request, so it gets no error in place of the answer.
    const { cancels } = envelope;
    if (cancels !== undefined) this.#pending.get(cancels)?.cancel(cancels);
    this.#order = this.#order.then(() => this.#start(pending));
  }

  /**
   * Ends the bridge: waits a moment for answers under way, answers the rest with an error, ends the session.
   *
   * @param graceMs how long answers may still come, ms
   * @param patienceMs how long ending the session may take, ms
   */
  async close(graceMs: number, patienceMs: number): Promise<void> {
    if (graceMs > 0) await within(graceMs, this.#allAnswered());
    this.#closing.abort();
    await this.#transport.close(patienceMs);
    await within(lastAnswersMs, Promise.all(this.#running));
  }

  async #allAnswered(): Promise<void> {
    await this.#order;
    await Promise.all(this.#running);
  }

  /** Sends a message once those before it are on their way; waits for a message without an answer to arrive. */
  async #start(pending: PendingMessage): Promise<void> {
    await this.#handshake;
    await this.#renewal?.done.catch(() => undefined);
    if (!pending.asks && this.#untaken.size > 0) {
      await within(overtakeMs, Promise.all([...this.#untaken].map(({ taken }) => taken)));
    }
    this.#untaken.add(pending);
    void pending.taken.then(() => this.#untaken.delete(pending));
    const sent = this.#carry(pending);
    this.#running.add(sent);
    void sent.then(() => {
      this.#running.delete(sent);
      if (isAnswer(pending.envelope)) this.#answers.remove(pending.text.length);
    });
    if (pending.method === "initialize") this.#handshake = sent;
    else if (!pending.asks) await within(orderMs, sent);
  }

  /** Sends a message and answers, with an error, its requests that stay open. Never rejects. */
  async #carry(pending: PendingMessage): Promise<void> {
    const { origin, log } = this.#options;
    let error: CodemieError = mcpFailure.unanswered(origin);
    try {
      const outcome = await this.#send(pending);
      if (outcome.kind === "failed") error = outcome.error;
      if (outcome.kind === "session-lost") error = mcpFailure.status(origin, 404, "the server forgot the session");
      if (outcome.kind !== "done") log.info(`${pending.method ?? "message"}: ${loggable(error)}`);
    } catch (thrown) {
      error = asCodemieError(thrown);
      log.info(`${pending.method ?? "message"}: ${loggable(error)}`);
    }
    pending.take();
    for (const key of pending.envelope.requests) this.#pending.delete(key);
    for (const key of pending.owed) this.#fail(key, error);
  }

  /** Sends a message within a session; opens a new session when the server has forgotten it. */
  async #send(pending: PendingMessage) {
    if (pending.method === "initialize") {
      this.#initialize = pending.text;
      this.#initialized = undefined;
      this.#transport.leave();
      return await this.#transport.send(pending);
    }
    for (let sessions = 0; ; sessions++) {
      if (this.#initialize !== undefined && !this.#transport.ready && pending.wanted) await this.#renew(true);
      const outcome = await this.#transport.send(pending);
      if (pending.method === "notifications/initialized" && outcome.kind === "done") {
        this.#initialized = pending.text;
        this.#transport.listen();
      }
      if (outcome.kind !== "session-lost" || sessions === mostSessions) return outcome;
      pending.resent = true;
      if (this.#initialize === undefined) return outcome;
    }
  }

  /**
   * Opens a new session by repeating the client's own opening; all messages that need it wait for the same one.
   *
   * @param attended true: somebody waits, so a login may begin; waits out a renewal that may not begin one
   */
  async #renew(attended: boolean): Promise<void> {
    while (this.#renewal && attended && !this.#renewal.attended) await this.#renewal.done.catch(() => undefined);
    if (this.#transport.ready) return;
    this.#renewal ??= {
      attended,
      done: this.#reopen(attended).finally(() => {
        this.#renewal = undefined;
      }),
    };
    await this.#renewal.done;
  }

  async #reopen(attended: boolean): Promise<void> {
    const { origin, log } = this.#options;
    const replay = async (text: string) => {
      const envelope = readEnvelope(text);
      if (typeof envelope === "string") throw mcpFailure.unanswered(origin);
      const pending = new PendingMessage(text, envelope, true, attended);
      for (const key of envelope.requests) this.#pending.set(key, pending);
      const outcome = await this.#transport.send(pending);
      for (const key of envelope.requests) this.#pending.delete(key);
      if (outcome.kind === "failed") throw outcome.error;
      return pending.answer;
    };
    log.info("opening the session again");
    this.#transport.reset();
    const answer = await replay(this.#initialize ?? "");
    const refused = textAt(answer, "error", "message");
    if (refused !== undefined) throw mcpFailure.notReopened(origin, this.#options.masked(refused));
    if (!this.#transport.ready) throw mcpFailure.unanswered(origin);
    if (this.#initialized === undefined) return;
    await replay(this.#initialized).catch((error: unknown) => log.info(loggable(error)));
    this.#transport.listen();
    this.#options.reopened?.();
  }

  /** Reopens a lost session, with growing pauses, so that the server's own messages still reach the client. */
  async #revive(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted && !this.#transport.ready; failures++) {
      await pause(backoffMs(failures), signal);
      if (signal.aborted || this.#transport.ready) return;
      try {
        await this.#renew(false);
      } catch (error) {
        this.#options.log.info(loggable(error));
        // Only the client's next message may begin a login, since then somebody waits.
        if (asCodemieError(error).code === "auth_needed") return;
      }
    }
  }

  /** Passes on what the server sent, one message on a line (MCP 2025-11-25, basic/transports, stdio). */
  async #fromServer(text: string, during?: PendingMessage): Promise<void> {
    const envelope = readEnvelope(text);
    if (typeof envelope === "string") return this.#drop(envelope);
    this.#options.log.debug(`server → ${envelope.method ?? "answer"} ${envelope.answers} (${text.length})`);
    const messages = envelope.messages.map((one) => this.#recognized(one));
    if (envelope.isTooDeep) this.#dropDeep(messages);
    else await Promise.all(messages.map((one) => this.#pass(one, during)));
  }

  /** Some servers answer `"1"` for `1`: such an answer gets the id of the request, if there is one that it fits. */
  #recognized(message: Message): Message {
    const { text, answers } = message;
    const other = answers === undefined || this.#pending.has(answers) ? undefined : otherSpelling(answers);
    if (other === undefined || !this.#pending.has(other)) return message;
    if (!this.#isMisspelled)
      this.#options.log.info("the server answers numbers as ids with texts, or texts with numbers");
    this.#isMisspelled = true;
    return { text: withId(text, other), answers: other };
  }

  /** @returns resolves once the client has read the message */
  #pass({ text, answers }: Message, during?: PendingMessage): Promise<void> | undefined {
    const pending = answers === undefined ? undefined : this.#pending.get(answers);
    // An error with id null belongs to no request; pass it on to the client.
    if (answers !== undefined && answers !== "null" && !pending) {
      this.#drop("an answer that nobody waits for");
      return undefined;
    }
    if (pending?.internal) pending.answer = text;
    // A batch may ask for a list too.
    const isList = pending?.method === "tools/list" || pending?.envelope.isArray;
    const shown = (isList && this.#options.ignoredTools?.withoutIgnored(text, answers)) || text;
    const written = pending?.internal ? undefined : this.#options.write(oneLine(shown), during);
    if (answers === undefined) return written;
    this.#pending.delete(answers);
    pending?.settle(answers);
    return written;
  }

  /** Answers, with an error, the requests that an answer nested too deep was for. */
  #dropDeep(messages: readonly Message[]): void {
    this.#drop("nested too deep");
    for (const key of messages.flatMap(({ answers }) => answers ?? [])) {
      const pending = this.#pending.get(key);
      this.#pending.delete(key);
      if (pending && !pending.internal && pending.owed.has(key)) this.#fail(key, mcpFailure.tooDeep(deepest));
      pending?.settle(key);
    }
  }

  /** Notes that a message was dropped. Of a flood, the log shows the 1st, the 10th, the 100th and so on. */
  #drop(what: string): void {
    if (++this.#dropped < this.#nextNoted) return;
    this.#nextNoted *= 10;
    this.#options.log.info(`dropped a message, ${this.#dropped} so far: ${what}`);
  }

  #fail(key: Key, error: CodemieError): void {
    const text = error.hint ? `${error.message}; ${error.hint}` : error.message;
    this.#refuse(key, rpcCodes.failed, text, { code: error.code });
  }

  #refuse(key: Key, code: number, text: string, data?: Readonly<Record<string, unknown>>): void {
    void this.#options.write(errorAnswer(key, code, `codemie-mcp-proxy: ${text}`, data));
  }
}

/** @returns true for a message that is an answer to the server, or several, and nothing else */
const isAnswer = ({ answers, messages }: Envelope): boolean => answers.length === messages.length;
