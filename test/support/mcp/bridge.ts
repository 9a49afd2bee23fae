import type { InitializeRequest, LATEST_PROTOCOL_VERSION } from "@modelcontextprotocol/sdk/types.js";
import { codemieMcpProxy, type Person } from "../codemie.ts";

/** A JSON-RPC message as it stands on a line. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever a server answers
export type Rpc = any;

export interface BridgeOptions {
  readonly env?: Record<string, string>;
  readonly program?: string;
}

/** The compiled bridge, spoken to in lines. */
export class RawBridge {
  readonly person: Person;
  readonly child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  /** every line of standard output, in order */
  readonly lines: string[] = [];
  err = "";
  readonly #answers = new Map<unknown, Rpc>();
  #looked = 0;
  #change = Promise.withResolvers<void>();
  readonly #read: Promise<void>;
  #nextId = 1;

  constructor(person: Person, args: readonly string[], options: BridgeOptions = {}) {
    this.person = person;
    this.child = Bun.spawn([options.program ?? codemieMcpProxy, ...args], {
      cwd: person.cwd,
      env: { ...person.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#read = Promise.all([this.#readOut(), this.#readErr()]).then(() => this.#wake());
  }

  #wake(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers<void>();
  }

  async #readOut(): Promise<void> {
    const decoder = new TextDecoder();
    let rest: string[] = [];
    for await (const chunk of this.child.stdout) {
      const parts = decoder.decode(chunk, { stream: true }).split("\n");
      if (parts.length === 1) rest.push(parts[0] ?? "");
      else {
        this.lines.push([...rest, parts[0]].join(""), ...parts.slice(1, -1));
        rest = [parts.at(-1) ?? ""];
        this.#wake();
      }
    }
    if (rest.join("") !== "") this.lines.push(rest.join(""));
  }

  async #readErr(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.child.stderr) {
      this.err += decoder.decode(chunk, { stream: true });
      this.#wake();
    }
  }

  /** Writes a line as it is. */
  line(text: string): void {
    this.child.stdin.write(`${text}\n`);
    void this.child.stdin.flush();
  }

  send(message: Rpc): void {
    this.line(JSON.stringify(message));
  }

  /** Sends a request and waits for its answer. */
  async call(method: string, params: Rpc = {}): Promise<Rpc> {
    const id = this.#nextId++;
    this.send({ jsonrpc: "2.0", id, method, params });
    return await this.answer(id);
  }

  /** Waits for the answer to an id. */
  async answer(id: number | string | null): Promise<Rpc> {
    return await this.until(() => {
      for (; this.#looked < this.lines.length; this.#looked++) {
        const message = JSON.parse(this.lines[this.#looked] ?? "");
        if (!message.method && !this.#answers.has(message.id)) this.#answers.set(message.id, message);
      }
      return this.#answers.get(id);
    });
  }

  messages(): Rpc[] {
    return this.lines.map((line) => JSON.parse(line));
  }

  /** Waits until something is there. */
  async until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.child.exitCode !== null) throw new Error(`the bridge ended (${this.child.exitCode}): ${this.err}`);
      await Promise.race([this.#change.promise, this.child.exited]);
    }
  }

  async initialize(): Promise<Rpc> {
    const answer = await this.call("initialize", initializeParams);
    this.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    return answer;
  }

  /** Closes standard input and waits for the end. */
  async end(): Promise<number> {
    this.child.stdin.end();
    return await this.exited();
  }

  async exited(): Promise<number> {
    const code = await this.child.exited;
    await this.#read;
    return code;
  }
}

/** The revision clients and servers of the tests speak; written out, since the SDK's own would load all its schemas. */
export const protocolVersion = "2025-11-25" satisfies typeof LATEST_PROTOCOL_VERSION;

export const initializeParams: InitializeRequest["params"] = {
  protocolVersion,
  capabilities: {},
  clientInfo: { name: "test", version: "1.0.0" },
};
