import type { AnswerHead } from "./message.ts";

/** The most an answer's head may hold, all its interim heads together, bytes: what the gateway's own server takes. */
const headBytes = 262_144;
/** The longest line before a chunk, and the most all trailers together may hold, bytes. */
const chunkLineBytes = 4_096;
const trailerBytes = 65_536;

/** How much is looked through for lines at once, bytes. */
const textBytes = 8_192;

/** Answers announced to be this short are passed on as one piece, which costs less than a stream, bytes. */
export const shortBytes = 16_384;

/** What the host sent is no answer: `code` says so where errors are told by it. */
export class BadAnswer extends Error {
  readonly code = "BadAnswer";
}

/** RFC 9110 sections 5.1 and 5.5: a name is a token, and a value holds no control character but the tab. */
export const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
export const unfitValue = /[^\t\x20-\x7e\x80-\xff]/;
const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
/** RFC 9112 section 7.1: a size in hexadecimal, here below 2^52, and extensions, which say nothing to us. */
const chunkLine = /^([0-9A-Fa-f]{1,13})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;

/** What comes next on the connection. */
type Part = "status" | "header" | "sized" | "to-the-end" | "chunk-line" | "chunk" | "chunk-end" | "trailer" | "nothing";

/**
 * Reads one answer off a connection, however its bytes are cut (RFC 9112). Where that leaves a choice between believing and
 * refusing, it refuses: two readings of one answer are how a second one is smuggled in behind it.
 */
export class AnswerReader {
  readonly #method: string;
  #part: Part = "status";
  /** beginning of a line whose end has not come yet */
  #cut = "";
  /** bytes that are left of what may be read before something has to end */
  #allowance = headBytes;
  #version = "";
  #status = 0;
  #headers: Record<string, string> = {};
  #setCookies: string[] = [];
  /** bytes that are left of a sized body or a chunk */
  #left = 0;
  #keepAlive = false;
  #head: AnswerHead | undefined;

  /** @param method method of the request that is answered */
  constructor(method: string) {
    this.#method = method;
  }

  /** Status and headers, once they are there. */
  get head(): AnswerHead | undefined {
    return this.#head;
  }

  /** True once the answer has come to its end. */
  get ended(): boolean {
    return this.#part === "nothing";
  }

  /** True for a body that is announced to be short. */
  get isShort(): boolean {
    return this.#part === "sized" && this.#left <= shortBytes;
  }

  /** True when nothing speaks against another request on this connection, once the answer has ended. */
  get keepsAlive(): boolean {
    return this.#keepAlive;
  }

  /**
   * @param bytes what came
   * @param body gets the pieces of the body among it, parts of `bytes` themselves
   * @throws BadAnswer
   */
  push(bytes: Buffer, body: (piece: Uint8Array) => void): void {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#part) {
        case "sized":
        case "chunk": {
          const piece = bytes.subarray(at, at + this.#left);
          at += piece.length;
          this.#left -= piece.length;
          if (this.#left === 0) this.#part = this.#part === "chunk" ? "chunk-end" : "nothing";
          body(piece);
          break;
        }
        case "to-the-end":
          body(at === 0 ? bytes : bytes.subarray(at));
          return;
        case "nothing":
          // A second answer to one question: whatever it is, the next request must not get it.
          this.#keepAlive = false;
          return;
        default:
          at += this.#lines(bytes.toString("latin1", at, Math.min(bytes.length, at + textBytes)));
      }
    }
  }

  /**
   * The connection has ended.
   *
   * @returns true when the answer is whole with that
   */
  close(): boolean {
    if (this.#part === "to-the-end") this.#part = "nothing";
    return this.#part === "nothing";
  }

  /**
   * Takes lines for as long as lines are what comes.
   *
   * @returns how much of the text that was
   */
  #lines(text: string): number {
    let at = 0;
    while (at < text.length && isInLines(this.#part)) {
      const end = text.indexOf("\n", at);
      const cut = end < 0 ? text.length : end;
      const length = this.#cut.length + cut - at;
      if (length > this.#allowance) throw new BadAnswer("its lines are too long");
      if (end < 0) {
        this.#cut += text.slice(at);
        return text.length;
      }
      const line = this.#cut === "" ? text.slice(at, end - 1) : (this.#cut + text.slice(at, end)).slice(0, -1);
      if ((end > at ? text.charCodeAt(end - 1) : this.#cut.charCodeAt(length - 1)) !== 13) {
        throw new BadAnswer("a line ends without a carriage return");
      }
      this.#cut = "";
      this.#allowance -= length + 1;
      at = end + 1;
      this.#take(line);
    }
    return at;
  }

  #take(line: string): void {
    switch (this.#part) {
      case "status": {
        const [, version, status] = statusLine.exec(line) ?? [];
        if (!version) throw new BadAnswer("it does not begin as HTTP/1.1 does");
        this.#version = version;
        this.#status = Number(status);
        this.#part = "header";
        return;
      }
      case "header":
        if (line === "") this.#headEnds();
        else this.#header(line);
        return;
      case "chunk-line": {
        const size = chunkLine.exec(line)?.[1];
        if (!size) throw new BadAnswer("a chunk's size is none");
        this.#left = Number.parseInt(size, 16);
        this.#part = this.#left > 0 ? "chunk" : "trailer";
        this.#allowance = this.#left > 0 ? 1 : trailerBytes;
        return;
      }
      case "chunk-end":
        if (line !== "") throw new BadAnswer("a chunk is longer than it said");
        this.#part = "chunk-line";
        this.#allowance = chunkLineBytes;
        return;
      default:
        // Trailers are read and forgotten: the gateway's own server could not send them.
        if (line === "") this.#part = "nothing";
    }
  }

  #header(line: string): void {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    const value = withoutBlanks(line, colon + 1);
    if (!headerName.test(name) || unfitValue.test(value)) throw new BadAnswer("a header is none");
    const lower = name.toLowerCase();
    if (lower === "set-cookie") this.#setCookies.push(value);
    else this.#headers[lower] = Object.hasOwn(this.#headers, lower) ? `${this.#headers[lower]}, ${value}` : value;
  }

  /** RFC 9112 section 6.3: how long the body is, in the order given there. */
  #headEnds(): void {
    const status = this.#status;
    if (status < 200) {
      if (status === 101) throw new BadAnswer("it switches protocols, which nobody asked for");
      this.#part = "status";
      this.#headers = {};
      this.#setCookies = [];
      return;
    }
    const headers = this.#headers;
    const coding = headers["transfer-encoding"];
    const length = headers["content-length"];
    const connection = headers.connection?.toLowerCase() ?? "";
    this.#keepAlive = this.#version === "1" && !/(?:^|[\s,])close(?:$|[\s,])/.test(connection);
    if (coding !== undefined) {
      if (coding.toLowerCase() !== "chunked" || this.#version === "0") throw new BadAnswer("its coding is unknown");
      if (length !== undefined) throw new BadAnswer("it has a length beside chunks");
    }
    if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new BadAnswer("its length is none");
    if (this.#method === "HEAD" || status === 204 || status === 304) this.#part = "nothing";
    else if (coding !== undefined) {
      this.#part = "chunk-line";
      this.#allowance = chunkLineBytes;
    } else if (length !== undefined) {
      this.#left = Number(length);
      this.#part = this.#left > 0 ? "sized" : "nothing";
    } else {
      this.#part = "to-the-end";
      this.#keepAlive = false;
    }
    this.#head = { status, headers, setCookies: this.#setCookies };
  }
}

/** Optional white space around a value is spaces and tabs (RFC 9110 section 5.6.3), and no more. */
function withoutBlanks(text: string, from: number): string {
  let start = from;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isBlank = (code: number) => code === 32 || code === 9;

const isInLines = (part: Part) => part !== "chunk" && part !== "sized" && part !== "nothing" && part !== "to-the-end";
