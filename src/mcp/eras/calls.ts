import { alone, edited, membersOf } from "../json-text.ts";
import { errorAnswer, type Key, memberAt, otherSpelling, withId } from "../message.ts";
import type { PendingMessage } from "../pending-message.ts";
import { pagesToOpen } from "./revision-2025-11-25.ts";
import { asAnswer, faultOf, inputRequired, metaNames, type ReadRequest } from "./revision-2026-07-28.ts";

/** How long a call waits for the client to bring what the server asked for, ms. */
const waitMs = 600_000;
/** How many calls may wait for that at the same time; the one that waits longest ends first. */
const mostWaiting = 100;
/** How often the server may ask during one call. */
const mostQuestions = 100;
/** The longest question, with images for a model, and all that waits for the client at the same time, characters. */
const [longestQuestion, mostKept] = [4 * 1_048_576, 32 * 1_048_576];
const tooMuch = "too much waits for the client already";

/** A request of the server in the middle of a call. */
interface Question {
  /** the server's id for it */
  readonly id: Key;
  /** the request without its id, JSON text */
  readonly request: string;
}

/** A request under way at the server. */
interface Call {
  /** its id there */
  readonly own: Key;
  readonly method: string;
  readonly name: string | undefined;
  /** the token of its progress there, JSON text */
  readonly token: string | undefined;
  /** the client's request that waits for it now; undefined while the client gathers what was asked */
  client: PendingMessage | undefined;
  meta: ReadonlyMap<string, string>;
  /** questions that no answer of the client is there for yet, by the name that the client knows */
  readonly questions: Map<string, Question>;
  asked: number;
  state: string | undefined;
  /** the answer that came while the client gathered */
  answer: string | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** called when the server refuses the call since it speaks another revision now */
  readonly refused: () => void;
}

/**
 * The requests of a client of MCP 2026-07-28 that are under way at a server with sessions. A question of the server ends the client's
 * request with `input_required`; the call waits, and the request by which the client answers goes on with it.
 */
export class Calls {
  readonly #up: (text: string) => Promise<void>;
  readonly #send: (text: string) => void;
  readonly #byOwn = new Map<Key, Call>();

  /**
   * @param up passes a message on to the client
   * @param send sends a message to the server
   */
  constructor(up: (text: string) => Promise<void>, send: (text: string) => void) {
    this.#up = up;
    this.#send = send;
  }

  /** How many are under way. */
  get size(): number {
    return this.#byOwn.size;
  }

  /**
   * Notes a request.
   *
   * @param own its id at the server
   * @returns resolves when the server refuses it since it speaks another revision now
   */
  begin(own: Key, client: PendingMessage, { params, meta }: ReadRequest): Promise<void> {
    const refused = Promise.withResolvers<void>();
    this.#byOwn.set(own, {
      own,
      method: client.method ?? "",
      name: nameIn(params),
      token: meta.get("progressToken"),
      client,
      meta,
      questions: new Map(),
      asked: 0,
      state: undefined,
      answer: undefined,
      timer: undefined,
      refused: refused.resolve,
    });
    return refused.promise;
  }

  /**
   * Goes on with a call that waits.
   *
   * @param state `requestState` of the client's request
   * @returns false when no such call waits
   */
  async resume(state: unknown, client: PendingMessage, { params, meta }: ReadRequest): Promise<boolean> {
    const call = [...this.#byOwn.values()].find((one) => one.state !== undefined && one.state === state);
    if (!call || call.method !== client.method || call.name !== nameIn(params)) return false;
    clearTimeout(call.timer);
    Object.assign(call, { client, meta, state: undefined });
    const responses = membersOf(params.get("inputResponses")) ?? new Map<string, string>();
    for (const [name, { id }] of [...call.questions]) {
      const result = responses.get(name);
      if (result === undefined) continue;
      call.questions.delete(name);
      this.#send(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
    }
    if (call.answer !== undefined) await this.#end(call, call.answer);
    else if (call.questions.size > 0) await this.#ask(call);
    return true;
  }

  /** @returns the id at the server of the call that a request of the client waits for, which it cancels */
  cancel(key: Key): Key | undefined {
    const call = this.#of(key);
    if (call) this.#byOwn.delete(call.own);
    return call?.own;
  }

  /**
   * Takes a question of the server.
   *
   * @param own the call that it was asked in, where that is known
   * @param capability that the client needs for it
   * @returns why it cannot be asked; undefined when it is
   */
  async ask(own: Key | undefined, id: Key, capability: string, method: string, params: string | undefined) {
    const open = [...this.#byOwn.values()].filter((one) => one.answer === undefined);
    const call = (own === undefined ? undefined : this.#byOwn.get(own)) ?? (own === undefined ? open[0] : undefined);
    if (!call) return "a client of MCP 2026-07-28 can be asked in the middle of a call only";
    const has = membersOf(call.meta.get(metaNames.capabilities))?.get(capability);
    const isPage = memberAt(params, "mode") === '"url"';
    if (has === undefined || (isPage && memberAt(has, "url") === undefined)) return `the client has no ${capability}`;
    const length = params?.length ?? 0;
    if (length > longestQuestion) return `its question is longer than ${longestQuestion} characters`;
    if (this.#kept + length > mostKept) return tooMuch;
    if (++call.asked > mostQuestions) return `it asked ${mostQuestions} times in one call`;
    const known = alone(edited(params ?? "{}", { elicitationId: undefined, task: undefined }));
    const request = `{"method":${JSON.stringify(method)},"params":${known}}`;
    call.questions.set(`request-${call.asked}`, { id, request });
    if (call.client) await this.#ask(call);
    return undefined;
  }

  /** How much waits for the client: questions, and answers, characters. */
  get #kept(): number {
    let all = 0;
    for (const { questions, answer } of this.#byOwn.values()) {
      all += answer?.length ?? 0;
      for (const { request } of questions.values()) all += request.length;
    }
    return all;
  }

  /** Answers the client's request with the questions that are open. */
  async #ask(call: Call): Promise<void> {
    const [key = "null"] = call.client?.envelope.requests ?? [];
    call.state = crypto.randomUUID();
    call.client = undefined;
    call.timer = setTimeout(() => this.#give(call), waitMs);
    const waiting = [...this.#byOwn.values()].filter((one) => one.state !== undefined);
    if (waiting.length > mostWaiting && waiting[0]) this.#give(waiting[0]);
    const requests = new Map([...call.questions].map(([name, { request }]) => [name, request]));
    await this.#up(inputRequired(key, requests, call.state));
  }

  /** Ends a call that the client has not come back for. */
  #give(call: Call): void {
    clearTimeout(call.timer);
    this.#byOwn.delete(call.own);
    for (const { id } of call.questions.values()) {
      this.#send(errorAnswer(id, -32_603, "codemie-mcp-proxy: the client did not answer"));
    }
    const reason = '"reason":"the client did not answer"';
    this.#send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${call.own},${reason}}}`);
  }

  /**
   * Takes the server's answer to a call.
   *
   * @param server its name and version, JSON text
   */
  async answered(own: Key, line: string, server: string | undefined) {
    const call = this.#byOwn.get(own) ?? this.#byOwn.get(otherSpelling(own) ?? "");
    if (!call) return;
    if (call.client && faultOf(line) !== undefined) {
      this.#byOwn.delete(call.own);
      return call.refused();
    }
    const pages = pagesToOpen(line);
    const [key = "null"] = call.client?.envelope.requests ?? [];
    if (pages && memberAt(membersOf(call.meta.get(metaNames.capabilities))?.get("elicitation"), "url") !== undefined) {
      this.#byOwn.delete(call.own);
      // The client opens the pages and calls anew: without a state, its call is a call like any other.
      await this.#up(
        edited(inputRequired(key, pages, ""), { result: (old) => old && edited(old, { requestState: undefined }) }),
      );
      return;
    }
    const answer = asAnswer(line, key, call.method, server);
    if (call.client) return await this.#end(call, answer);
    const isKept = this.#kept + answer.length <= mostKept;
    call.answer = isKept ? answer : errorAnswer(key, -32_603, `codemie-mcp-proxy: ${tooMuch}`);
  }

  async #end(call: Call, answer: string): Promise<void> {
    const [key = "null"] = call.client?.envelope.requests ?? [];
    this.#byOwn.delete(call.own);
    await this.#up(call.asked === 0 ? answer : withId(answer, key));
  }

  /** Passes on a notification of progress, under the token that the client's request has now. */
  async progress(line: string): Promise<void> {
    const token = memberAt(line, "params", "progressToken");
    const call = [...this.#byOwn.values()].find((one) => one.token === token && one.client);
    const now = call?.meta.get("progressToken");
    if (now === undefined) return;
    const params = (old: string | undefined) => edited(old ?? "{}", { progressToken: now });
    await this.#up(now === token ? line : edited(line, { params }));
  }

  /** @returns the least severe log messages that a call wants, or any call where it is not known which */
  levelOf(own: Key | undefined): string | undefined {
    const call = own === undefined ? undefined : this.#byOwn.get(own);
    const open = (call ? [call] : [...this.#byOwn.values()]).filter((one) => one.client);
    const level = open.map((one) => one.meta.get(metaNames.logLevel)).find(Boolean);
    return level?.startsWith('"') ? JSON.parse(level) : undefined;
  }

  #of(key: Key): Call | undefined {
    return [...this.#byOwn.values()].find((one) => one.client?.envelope.requests.includes(key));
  }
}

/** @returns the name or the address that a request is about, JSON text */
const nameIn = (params: ReadonlyMap<string, string>): string | undefined => params.get("name") ?? params.get("uri");
