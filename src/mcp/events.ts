import { nextRound } from "../core/time.ts";
import { mcpFailure } from "./failures.ts";
import { longestLine } from "./framing.ts";
import { readJsonText } from "./json-text.ts";
import type { Turn } from "./turn.ts";

/** One event of a stream (HTML standard, server-sent events). */
export interface StreamEvent {
  readonly type: string;
  readonly data: string;
}

/** How far we have read a stream: where to resume, and how long the server wants us to wait before. */
export interface Position {
  /** id of the last event, for `Last-Event-ID` */
  lastEventId?: string;
  /** ms */
  retryMs?: number;
}

/**
 * The longest id of an event that we keep, and send back in a header, bytes. A stream with a longer one cannot be
 * resumed. Of a type we keep no more either: the types that we know are short.
 */
const longestId = 1_024;

/** Bounds of the pause that a server may ask for before we resume its stream, ms: neither a storm nor for ever. */
const [shortestRetryMs, longestRetryMs] = [500, 60_000];

/** How much we read before the rest of the bridge has its round, bytes: its other messages, its signals. */
const pieceLength = 65_536;

/**
 * Reads an event stream to its end.
 *
 * @param body the bytes
 * @param position updated as events come
 * @param onEvent gets each event that has data; reading pauses until its promise resolves
 * @param onBytes called for every chunk, comments included: a sign of life
 * @param turn waits when an event becomes large
 * @returns how many events came, including those without data
 * @throws `server_error` for an event or line longer than {@link longestLine} bytes; the stream's error when the
 *   connection breaks; what `onEvent` throws
 */
export async function readEvents(
  body: ReadableStream<Uint8Array> | null,
  position: Position,
  onEvent: (event: StreamEvent) => Promise<void>,
  onBytes: () => void = () => undefined,
  turn?: Turn,
): Promise<number> {
  const reader = new EventReader(position);
  let events = 0;
  let sinceRound = 0;
  for await (const chunk of body ?? []) {
    onBytes();
    for (let from = 0; from < chunk.length; from += pieceLength) {
      const piece = chunk.subarray(from, from + pieceLength);
      for (const event of reader.feed(piece)) {
        events++;
        if (event.data !== "") await onEvent(event);
      }
      await turn?.holds(reader.held);
      sinceRound += piece.length;
      if (sinceRound < pieceLength) continue;
      // The body's promises alone do not let timers, input and signals in while its chunks are there already.
      await nextRound();
      sinceRound = 0;
    }
  }
  const last = reader.last();
  if (last) {
    events++;
    await onEvent(last);
  }
  return events;
}

const [lineFeed, carriageReturn, blank, colon] = [10, 13, 32, 58];
const byteOrderMark = Uint8Array.of(0xef, 0xbb, 0xbf);
const fields = (["data", "event", "id", "retry"] as const).map((name) => ({ name, bytes: Buffer.from(name) }));

/**
 * Reads events out of bytes (HTML standard, 9.2.6, interpreting an event stream). It costs the same per byte, whatever
 * the bytes are.
 */
class EventReader {
  readonly #position: Position;
  /** the data of the event so far, each line with its LF; behind it the line that has not ended */
  #bytes = new Uint8Array(pieceLength);
  #length = 0;
  #dataLength = 0;
  #type = "";
  #id: string | undefined;
  #isFirstLine = true;
  /** the byte before was a CR, so a LF belongs to it */
  #isAfterCr = false;

  /** @param position updated as events come */
  constructor(position: Position) {
    this.#position = position;
  }

  /** How much memory the event takes so far, bytes. */
  get held(): number {
    return this.#bytes.length;
  }

  /**
   * @param piece the next bytes of the stream; they may change afterwards
   * @returns the events that end in it
   * @throws `server_error` for an event or line longer than {@link longestLine} bytes
   */
  *feed(piece: Uint8Array): Generator<StreamEvent> {
    let from = this.#isAfterCr && piece[0] === lineFeed ? 1 : 0;
    if (piece.length > 0) this.#isAfterCr = false;
    // Search for each only behind the last one found: searching from every line on would read the piece once per line.
    let [nextLf, nextCr] = [-1, -1];
    while (from < piece.length) {
      if (nextLf < from) nextLf = indexOrEnd(piece, lineFeed, from);
      if (nextCr < from) nextCr = indexOrEnd(piece, carriageReturn, from);
      const end = Math.min(nextLf, nextCr);
      if (end > from) this.#append(piece.subarray(from, end));
      if (end === piece.length) return;
      const event = this.#endLine();
      if (event) yield event;
      from = end + 1;
      if (end !== nextCr) continue;
      if (from === piece.length) this.#isAfterCr = true;
      else if (piece[from] === lineFeed) from++;
    }
  }

  /**
   * Call it when the stream has ended properly. Some servers leave out the blank line behind their last event.
   *
   * @returns the event at the end, if what came of it is a whole JSON object or array; else it counts as cut off, and the
   *   stream is resumed before it
   */
  last(): StreamEvent | undefined {
    const before = this.#position.lastEventId;
    if (this.#length > this.#dataLength) this.#endLine();
    const event = this.#endEvent();
    if (event && readJsonText(event.data, new Set())?.objects) return event;
    if (before === undefined) delete this.#position.lastEventId;
    else this.#position.lastEventId = before;
    return undefined;
  }

  #append(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (length > longestLine) throw mcpFailure.messageTooLong(longestLine);
    if (length > this.#bytes.length) {
      let room = this.#bytes.length;
      while (room < length) room *= 2;
      const larger = new Uint8Array(room);
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(part, this.#length);
    this.#length = length;
  }

  /** @returns the event, if the line ends one with data */
  #endLine(): StreamEvent | undefined {
    if (this.#isFirstLine) this.#dropByteOrderMark();
    this.#isFirstLine = false;
    if (this.#length === this.#dataLength) return this.#endEvent();
    const line = this.#bytes.subarray(this.#dataLength, this.#length);
    const field = fields.find(({ bytes }) => hasName(line, bytes));
    let from = Math.min(line.length, (field?.bytes.length ?? 0) + 1);
    if (line[from] === blank) from++;
    if (field?.name === "data") {
      // The value moves to where its line began; the LF takes the place of a byte of the name.
      line.copyWithin(0, from);
      this.#dataLength += line.length - from;
      this.#bytes[this.#dataLength++] = lineFeed;
    } else if (field) this.#take(field.name, line.subarray(from));
    this.#length = this.#dataLength;
    if (this.#length === 0) this.#giveBack();
    return undefined;
  }

  #dropByteOrderMark(): void {
    if (!byteOrderMark.every((byte, i) => i < this.#length && this.#bytes[i] === byte)) return;
    this.#bytes.copyWithin(0, byteOrderMark.length, this.#length);
    this.#length -= byteOrderMark.length;
  }

  #take(field: "event" | "id" | "retry", value: Uint8Array): void {
    if (field === "event") this.#type = decode(value.subarray(0, longestId));
    else if (field === "id") {
      if (!value.includes(0)) this.#id = value.length <= longestId ? decode(value) : "";
    } else {
      const digits = decode(value);
      if (!/^[0-9]+$/.test(digits)) return;
      this.#position.retryMs = Math.min(longestRetryMs, Math.max(shortestRetryMs, Number(digits)));
    }
  }

  /** @returns the event, unless it has no line of data */
  #endEvent(): StreamEvent | undefined {
    if (this.#id !== undefined) this.#position.lastEventId = this.#id;
    const type = this.#type || "message";
    const data = this.#dataLength > 0 ? decode(this.#bytes.subarray(0, this.#dataLength - 1)) : undefined;
    this.#id = undefined;
    this.#type = "";
    this.#length = 0;
    this.#dataLength = 0;
    this.#giveBack();
    return data === undefined ? undefined : { type, data };
  }

  /** Gives the memory of a large event or line back. */
  #giveBack(): void {
    if (this.#bytes.length > pieceLength) this.#bytes = new Uint8Array(pieceLength);
  }
}

/** @returns where the byte is at or behind `from`, or the length */
function indexOrEnd(bytes: Uint8Array, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? bytes.length : at;
}

/** @returns true when the line is the field of this name: the name and a colon, or the name alone */
function hasName(line: Uint8Array, name: Uint8Array): boolean {
  if (line.length > name.length && line[name.length] !== colon) return false;
  for (let i = 0; i < name.length; i++) if (line[i] !== name[i]) return false;
  return true;
}

/** A mark within the stream is a character like others. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const decode = (bytes: Uint8Array): string => decoder.decode(bytes);
