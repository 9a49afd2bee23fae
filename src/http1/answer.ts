import type { AnswerHead } from "./message.ts";

/** The largest head of an answer, with all its interim heads, bytes: the same limit as the gateway's own server has. */
const headBytes = 262_144;
/**
 * The most headers of an answer, those of its interim heads included: as many as the runtime's own client takes. The
 * runtime's `Response` looks through all of them to add one.
 */
const mostHeaders = 256;
/** The longest line before a chunk, and the largest total of all trailers, bytes. */
const chunkLineBytes = 4_096;
const trailerBytes = 65_536;

/** How many bytes are searched for lines in one go: in a head, and between chunks, which may be of one byte each. */
const textBytes = 8_192;
const chunkTextBytes = 64;

/** A body whose announced length is at most this, bytes, is passed on in one piece, which costs less than a stream. */
export const shortBytes = 16_384;

/** The host's bytes are not an HTTP answer, and the message says why. Its `code` identifies it, as a system error's does. */
export class BadAnswer extends Error {
  readonly code = "BadAnswer";
}

/** RFC 9110 sections 5.1 and 5.5: a name is a token, and a value holds no control character but the tab. */
export const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
export const unfitValue = /[^\t\x20-\x7e\x80-\xff]/;
const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
/**
 * RFC 9112 section 7.1: a size in hexadecimal, here below 2^52, and extensions, which we ignore. Blanks between them are
 * refused, as strict parsers do: parsers that disagree about a chunk's end disagree about the next answer's begin.
 */
const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const quoted = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"';
const chunkLine = new RegExp(`^([0-9A-Fa-f]{1,13})(?:;${token}(?:=(?:${token}|${quoted}))?)*$`);

/** The part of the answer that comes next on the connection. */
type Part = "status" | "header" | "sized" | "to-the-end" | "chunk-line" | "chunk" | "chunk-end" | "trailer" | "nothing";

/**
 * Reads one answer from a connection, wherever its bytes are split (RFC 9112). Where the RFC allows both to accept and
 * to refuse, it refuses: an answer that two readers understand differently can smuggle in a second answer behind it.
 */
export class AnswerReader {
  readonly #method: string;
  #part: Part = "status";
  /** beginning of a line whose end has not come yet */
  #cut = "";
  /** how many more bytes may come before the current line, head or trailers have to end */
  #allowance = headBytes;
  #version = "";
  #status = 0;
  #headers: Record<string, string> = {};
  /** how many headers have come */
  #count = 0;
  #setCookies: string[] = [];
  /** how many bytes of a sized body or a chunk are still to come */
  #left = 0;
  #keepAlive = false;
  #head: AnswerHead | undefined;

  /** @param method the request's method */
  constructor(method: string) {
    this.#method = method;
  }

  /** Status and headers; undefined until they are complete. */
  get head(): AnswerHead | undefined {
    return this.#head;
  }

  /** True once the answer is complete. */
  get ended(): boolean {
    return this.#part === "nothing";
  }

  /** True when the body, or the rest of it, is short by its announced length. */
  get isShort(): boolean {
    return this.#part === "sized" && this.#left <= shortBytes;
  }

  /** True when the connection can carry another request once the answer is complete. */
  get keepsAlive(): boolean {
    return this.#keepAlive;
  }

  /**
   * Takes bytes from the connection.
   *
   * @param body called with each piece of the body: views of `bytes`, not copies
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
          // Bytes after the end of the answer: whatever they are, the next request must not get them.
          this.#keepAlive = false;
          return;
        default:
          at += this.#lines(bytes.toString("latin1", at, Math.min(bytes.length, at + this.#textBytes)));
      }
    }
  }

  get #textBytes(): number {
    return this.#part === "status" || this.#part === "header" ? textBytes : chunkTextBytes;
  }

  /**
   * Call it when the connection has ended.
   *
   * @returns true when the answer is complete
   */
  close(): boolean {
    if (this.#part === "to-the-end") this.#part = "nothing";
    return this.#part === "nothing";
  }

  /**
   * Takes lines, up to a part that does not consist of lines.
   *
   * @returns how many characters it took
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
        if (!size) throw new BadAnswer("the line before a chunk is none");
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
        // Read trailers and forget them: the gateway's own server cannot send them.
        if (line === "") this.#part = "nothing";
    }
  }

  #header(line: string): void {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    const value = withoutBlanks(line, colon + 1);
    if (++this.#count > mostHeaders) throw new BadAnswer("it has too many headers");
    if (!headerName.test(name) || unfitValue.test(value)) throw new BadAnswer("a header is none");
    const lower = name.toLowerCase();
    if (lower === "set-cookie") this.#setCookies.push(value);
    else this.#headers[lower] = Object.hasOwn(this.#headers, lower) ? `${this.#headers[lower]}, ${value}` : value;
  }

  /** Finds the length of the body, in the order of RFC 9112 section 6.3. */
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

/** Removes the optional white space around a value: spaces and tabs only (RFC 9110 section 5.6.3). */
function withoutBlanks(text: string, from: number): string {
  let start = from;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isBlank = (code: number) => code === 32 || code === 9;

const isInLines = (part: Part) => part !== "chunk" && part !== "sized" && part !== "nothing" && part !== "to-the-end";
