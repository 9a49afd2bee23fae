import { AnswerReader, headerName, unfitValue } from "./answer.ts";
import { BodyStream, releaseWhole } from "./body.ts";
import type { AnswerHead, HeaderRecord, IncomingAnswer, OutgoingRequest } from "./message.ts";

/** A connection to the host, with the exchange on it. */
export interface Connection {
  readonly socket: Bun.Socket<Connection>;
  exchange: Exchange | undefined;
  /** when it last became idle, ms since the epoch; 0 for a new one */
  keptAt: number;
  /** true once it has ended */
  ended: boolean;
}

/**
 * If a reused connection closes within this time of sending, ms, we assume that the host never saw the request. Later,
 * the host has had the request, and may have worked on it.
 */
const crossingMs = 1_000;

/** The host closed a reused connection while we sent the request, which can be sent again (RFC 9112 section 9.3.1). */
export class Stale extends Error {}

/** An error of the connection. Its `code` identifies it, as a system error's does. */
export class ConnectionError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * One request and its answer on one connection (RFC 9112). It owns the connection until both are complete, then hands
 * it back. It hands it back as unusable if anything is left on it that could be taken for the next answer.
 */
export class Exchange {
  readonly #connection: Connection;
  readonly #request: OutgoingRequest;
  readonly #reader: AnswerReader;
  readonly #done: (reusable: boolean) => void;
  readonly #answer = Promise.withResolvers<IncomingAnswer>();
  /** the answer's body, whole or as a stream */
  #pieces: Uint8Array[] = [];
  #stream: BodyStream | undefined;
  /** bytes that the socket has not taken yet, and the callback that lets the sender continue */
  #unsent: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  /** true once the whole request has been written */
  #sent = false;
  #over = false;
  #began = false;
  /** until when a close by the host means {@link Stale}, ms of `performance.now()` */
  readonly #crossesUntil: number;

  /**
   * Sends the request.
   *
   * @param done called at the end, with true when the connection can carry another request
   */
  constructor(connection: Connection, request: OutgoingRequest, done: (reusable: boolean) => void) {
    this.#connection = connection;
    this.#request = request;
    this.#reader = new AnswerReader(request.method);
    this.#done = done;
    this.#crossesUntil = connection.keptAt > 0 ? performance.now() + crossingMs : Number.NEGATIVE_INFINITY;
    connection.exchange = this;
    request.signal.addEventListener("abort", () => this.#fail(request.signal.reason), { once: true });
    if (request.signal.aborted) this.#fail(request.signal.reason);
    else if (connection.ended) this.closed(undefined);
    else this.#send();
  }

  /**
   * @returns the answer once its head is complete; a short one once all of it is
   * @throws Stale, BadAnswer, ConnectionError, the signal's reason
   */
  get answer(): Promise<IncomingAnswer> {
    return this.#answer.promise;
  }

  /** Takes bytes from the connection. */
  data(bytes: Buffer): void {
    if (this.#over) return;
    this.#began = true;
    try {
      this.#reader.push(bytes, (piece) => (this.#stream ? this.#stream.push(piece) : this.#pieces.push(piece)));
    } catch (error) {
      this.#fail(error);
      return;
    }
    const { head, ended } = this.#reader;
    if (head && !this.#stream && (ended || !this.#reader.isShort || isEvents(head))) this.#begin(head);
    if (ended) this.#finish();
  }

  /** Call it when the socket takes more bytes. */
  drained(): void {
    while (this.#unsent.length > 0) {
      const [first] = this.#unsent as [Uint8Array];
      const taken = Math.max(0, this.#connection.socket.write(first));
      if (taken < first.length) {
        this.#unsent[0] = first.subarray(taken);
        return;
      }
      this.#unsent.shift();
    }
    this.#wake?.();
  }

  /**
   * Call it when the connection has ended.
   *
   * @param error undefined when the host closed it properly
   */
  closed(error: unknown): void {
    if (this.#over) return;
    if (error === undefined && this.#reader.head && this.#reader.close()) {
      if (!this.#stream) this.#begin(this.#reader.head);
      this.#finish();
    } else if (!this.#began && performance.now() < this.#crossesUntil) this.#fail(new Stale());
    else this.#fail(error ?? new ConnectionError("ConnectionClosed"));
  }

  #send(): void {
    const { body, length } = this.#request;
    const head = writeHead(this.#request);
    if (head === undefined) this.#fail(new ConnectionError("BadRequest"));
    else if (body instanceof ReadableStream) {
      this.#write(scratch, head);
      this.#sendStream(body, length).catch((error: unknown) => this.#fail(error));
    } else {
      // A small body goes out with the head: one write, one packet.
      const end = head + (body?.byteLength ?? 0);
      if (body && end <= scratch.length) scratch.set(new Uint8Array(body), head);
      this.#write(scratch, end <= scratch.length ? end : head);
      if (body && end > scratch.length) this.#write(new Uint8Array(body));
      this.#sent = true;
    }
  }

  async #sendStream(body: ReadableStream<Uint8Array>, length: number | undefined): Promise<void> {
    let left = length ?? 0;
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (this.#over) return void reader.cancel().catch(() => undefined);
      if (done) break;
      if (value.length === 0) continue;
      if (length !== undefined && value.length > left) throw new ConnectionError("BadRequest");
      if (length === undefined) this.#write(Buffer.from(`${value.length.toString(16)}\r\n`));
      this.#write(value);
      if (length === undefined) this.#write(Buffer.from("\r\n"));
      left -= value.length;
      if (this.#unsent.length > 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      releaseWhole(value);
    }
    if (length === undefined) this.#write(Buffer.from("0\r\n\r\n"));
    else if (left > 0) throw new ConnectionError("BadRequest");
    this.#sent = true;
  }

  #write(bytes: Uint8Array, length = bytes.length): void {
    if (this.#over) return;
    const taken = this.#unsent.length > 0 ? 0 : Math.max(0, this.#connection.socket.write(bytes, 0, length));
    if (taken === length) return;
    const rest = bytes.subarray(taken, length);
    // Copy from `scratch`: the next request overwrites it.
    this.#unsent.push(bytes === scratch ? Buffer.from(rest) : rest);
  }

  #begin(head: AnswerHead): void {
    if (this.#reader.ended) {
      const [first] = this.#pieces;
      const body = this.#pieces.length > 1 ? Buffer.concat(this.#pieces) : (first ?? null);
      this.#answer.resolve({ ...head, body });
      return;
    }
    const { socket } = this.#connection;
    this.#stream = new BodyStream({
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      cancel: () => this.#fail(new ConnectionError("ConnectionClosed")),
    });
    for (const piece of this.#pieces) this.#stream.push(piece);
    this.#pieces = [];
    this.#answer.resolve({ ...head, body: this.#stream.readable });
  }

  #finish(): void {
    const reusable = this.#sent && this.#unsent.length === 0 && this.#reader.keepsAlive;
    this.#end();
    this.#stream?.end();
    this.#done(reusable);
  }

  #fail(reason: unknown): void {
    if (this.#over) return;
    this.#end();
    this.#answer.reject(reason);
    this.#stream?.fail();
    this.#done(false);
  }

  #end(): void {
    this.#over = true;
    this.#connection.exchange = undefined;
    this.#unsent = [];
    this.#wake?.();
  }
}

const isEvents = ({ headers }: AnswerHead) => headers["content-type"]?.includes("event-stream") === true;

/** A character that must not be in the request line: it would end the line, or become a byte that does in Latin-1. */
const unfitTarget = /[^\x21-\x7e]/;

/** Methods whose requests without a body have no `content-length` (RFC 9110 section 8.6). */
const bodiless: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS"]);

/**
 * The buffer to assemble a head in, with its body if that is small. It goes to a socket before anything else is written
 * here.
 */
let scratch = Buffer.allocUnsafeSlow(131_072);

/** @returns the length of the request's head in `scratch`, or undefined when HTTP/1.1 cannot carry the request */
function writeHead({ method, url, headers, fixed, body, length }: OutgoingRequest): number | undefined {
  const bytes = body instanceof ReadableStream ? length : (body?.byteLength ?? 0);
  // If the body is shorter than announced, the host takes the beginning of the next request for its end.
  if (!headerName.test(method) || unfitTarget.test(url) || (length ?? bytes) !== bytes) return undefined;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const host = url.slice(url.indexOf("://") + 3, start);
  let lines = `${method} ${url.slice(start)} HTTP/1.1\r\nhost: ${host}\r\n`;
  if (bytes === undefined) lines += "transfer-encoding: chunked\r\n";
  else if (bytes > 0 || !bodiless.has(method)) lines += `content-length: ${bytes}\r\n`;
  const others = linesOf(headers);
  const last = lastLines(fixed);
  if (others === undefined || last === undefined) return undefined;
  lines += others;
  const size = lines.length + last.length;
  if (size > scratch.length) scratch = Buffer.allocUnsafeSlow(size);
  scratch.write(lines, 0, "latin1");
  scratch.set(last, lines.length);
  return size;
}

function linesOf(headers: HeaderRecord): string | undefined {
  let lines = "";
  for (const name in headers) {
    if (!headerName.test(name) || unfitValue.test(headers[name] as string)) return undefined;
    lines += `${name}: ${headers[name]}\r\n`;
  }
  return lines;
}

const encoded = new WeakMap<HeaderRecord, Buffer>();

/** The end of a head, encoded only once: a session cookie is longer than the whole rest of the head. */
function lastLines(fixed: HeaderRecord): Buffer | undefined {
  const found = encoded.get(fixed);
  if (found) return found;
  const lines = linesOf(fixed);
  if (lines === undefined) return undefined;
  const bytes = Buffer.from(`${lines}\r\n`, "latin1");
  encoded.set(fixed, bytes);
  return bytes;
}
