import { printable } from "../../core/text.ts";
import type { Carriage } from "../carriage.ts";
import type { Log } from "../log.ts";
import { memberAt } from "../message.ts";
import type { SendOutcome } from "../transport.ts";
import type { Ask, Asks } from "./ask.ts";
import { carriageFor, codes, faultOf, metaOf, requestText } from "./revision-2026-07-28.ts";
import { ToolHeaders } from "./tool-headers.ts";

/** How many pages of tools we read to learn a tool's headers. */
const mostPages = 100;

/** A server that speaks MCP 2026-07-28: what its requests need beside their text. */
export class ModernServer {
  readonly carriage: Carriage;
  readonly #asks: Asks;
  readonly #log: Log;
  readonly #tools = new ToolHeaders();

  constructor(asks: Asks, log: Log) {
    this.#asks = asks;
    this.#log = log;
    this.carriage = carriageFor(this.#tools);
  }

  /**
   * Sends a request. A call that the server refuses for its headers is sent once more with those that its list of tools asks for
   * (MCP 2026-07-28, transports, client behavior): the server did not act on it.
   */
  async send(asked: Omit<Ask, "carriage">, method: string | undefined): Promise<SendOutcome> {
    const { carriage } = this;
    if (method === "tools/list") {
      return await this.#asks.send({ ...asked, carriage, answer: (text) => asked.answer(this.#learn(text)) });
    }
    if (method !== "tools/call") return await this.#asks.send({ ...asked, carriage });
    let isRefused = false;
    const answer = (text: string) => {
      isRefused = faultOf(text) === codes.headerMismatch;
      return isRefused ? undefined : asked.answer(text);
    };
    const outcome = await this.#asks.send({ ...asked, carriage, answer });
    if (!isRefused) return outcome;
    await this.#list(asked);
    return await this.#asks.send({ ...asked, carriage });
  }

  #learn(answer: string): string {
    const { text, leftOut } = this.#tools.learn(answer);
    for (const { name, why } of leftOut) this.#log.info(`the tool ${printable(name, 100)} is left out: ${why}`);
    return text;
  }

  /** Reads the list of tools, with the same `_meta` as a call. */
  async #list({ text, attended, for: client }: Omit<Ask, "carriage">): Promise<void> {
    this.#log.info("the server refused the headers of a call; reading its list of tools");
    const meta = metaOf(text);
    meta.delete("progressToken");
    let cursor: string | undefined;
    for (let page = 0; page < mostPages; page++) {
      let next: string | undefined;
      const outcome = await this.#asks.send({
        text: requestText(this.#asks.newKey(), "tools/list", cursor === undefined ? {} : { cursor }, meta),
        carriage: this.carriage,
        for: client,
        attended,
        answer: (answer) => {
          this.#learn(answer);
          next = memberAt(answer, "result", "nextCursor");
        },
        other: () => undefined,
      });
      if (outcome.kind !== "done" || !next?.startsWith('"')) return;
      cursor = next;
    }
  }
}
