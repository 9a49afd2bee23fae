import { AnswerReader, headerName, unfitValue } from "./answer.ts";
import { BodyStream, releaseWhole } from "./body.ts";
import type { AnswerHead, HeaderRecord, IncomingAnswer, OutgoingRequest } from "./message.ts";

/** A connection to the host, and the exchange that is on it. */
export interface Connection {
  readonly socket: Bun.Socket<Connection>;
  exchange: Exchange | undefined;
  /** when it was last kept after an answer, ms since the epoch; 0 for a new one */
  keptAt: number;
  /** true once it has ended */
  ended: boolean;
}

/**
 * How long after a request was sent the closing of a connection that had been kept open may have crossed it, ms. Later, the
 * host has had the request, and may have worked on it.
 */
const crossingMs = 1_000;

/** The host closed a connection that had been kept open as the request was sent: it can be sent anew (RFC 9112 section 9.3.1). */
export class Stale extends Error {}

/** An error of the connection, told by its `code` as the system's are. */
export class ConnectionError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * One request and its answer on one connection (RFC 9112). It owns the connection until both are over, then hands it back,
 * or breaks it where anything is left that could be taken for the next answer.
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
  /** what the socket has not taken yet, and who waits for that */
  #unsent: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  /** true once the whole request was given to the socket */
  #sent = false;
  #over = false;
  #began = false;
  /** until when a host's closing may have crossed the request on its way, ms of the process's clock */
  readonly #crossesUntil: number;

  /**
   * Sends the request.
   *
   * @param done told at the end whether the connection can carry another request
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
   * @returns the answer as soon as its head is there, or all of it where it is short
   * @throws Stale, BadAnswer, ConnectionError, the signal's reason
   */
  get answer(): Promise<IncomingAnswer> {
    return this.#answer.promise;
  }

  /** Something came. */
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

  /** The socket takes more. */
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

  /** The connection has ended. */
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
      // One write, and one packet, where the body is small.
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
    // What stands in `scratch` is soon written over.
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

/** What may not stand in the first line: it would end it, or be cut to a byte that does. */
const unfitTarget = /[^\x21-\x7e]/;

/** Methods whose requests say nothing of a body when they have none (RFC 9110 section 8.6). */
const bodiless: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS"]);

/** Where heads are put together, with their bodies where these are small. What stands here is given to a socket at once. */
let scratch = Buffer.allocUnsafeSlow(131_072);

/** @returns the length of the request's head in `scratch`, or undefined when something stands in it that must not */
function writeHead({ method, url, headers, fixed, body, length }: OutgoingRequest): number | undefined {
  const bytes = body instanceof ReadableStream ? length : (body?.byteLength ?? 0);
  // A body that is not as long as announced would take the next request's beginning for its end.
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

/** The end of a head, put into bytes once: a session is longer than all the rest of it. */
function lastLines(fixed: HeaderRecord): Buffer | undefined {
  const found = encoded.get(fixed);
  if (found) return found;
  const lines = linesOf(fixed);
  if (lines === undefined) return undefined;
  const bytes = Buffer.from(`${lines}\r\n`, "latin1");
  encoded.set(fixed, bytes);
  return bytes;
}
