import { fstatSync, readSync, writeSync } from "node:fs";
import { systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";

/**
 * Writes a result to standard output, completely before it returns. A reader that has gone wants no more: that is no error.
 *
 * @throws `output` when it cannot be written, for example to a full disk
 */
export function writeOut(text: string): void {
  try {
    writeWhole(1, text);
  } catch (error) {
    if (systemCode(error) !== "EPIPE") throw platformFailure.output(error);
  }
}

/** Writes to standard error. If that fails, there is nobody left to tell. */
export function writeError(text: string): void {
  try {
    writeWhole(2, text);
  } catch {}
}

/** @returns true when another program reads standard error as it comes: it is a pipe, and neither a file nor a terminal */
export function isErrorPiped(): boolean {
  try {
    const found = fstatSync(2);
    return found.isFIFO() || found.isSocket();
  } catch {
    return false; // it is closed
  }
}

/** Resolves once standard input ends; its content is dropped. */
export async function inputEnded(): Promise<void> {
  for await (const _ of Bun.stdin.stream());
}

/** How long to wait for a reader that is behind, or a writer, ms. */
const readerMs = 5;
const writerMs = 1;
const pieceBytes = 64 * 1024;

/**
 * Reads standard input to its end, for a command that has nothing else to do meanwhile: asking the runtime for a stream takes
 * longer than all the rest of it.
 *
 * @param most bytes to keep; the rest is read and dropped
 * @param mostDropped bytes; after these, it stops reading
 * @returns what was kept; it does not throw
 */
export function readInput(most: number, mostDropped: number): { bytes: Buffer; isWhole: boolean } {
  const kept: Buffer[] = [];
  let left = most;
  for (let dropped = 0; dropped <= mostDropped; ) {
    const piece = Buffer.allocUnsafe(pieceBytes);
    let count = 0;
    try {
      count = readSync(0, piece, 0, piece.length, null);
    } catch (error) {
      if (systemCode(error) !== "EAGAIN") return { bytes: Buffer.concat(kept), isWhole: false };
      Bun.sleepSync(writerMs);
      continue;
    }
    if (count === 0) break;
    const part = piece.subarray(0, Math.min(count, left));
    if (part.length > 0) kept.push(part);
    left -= part.length;
    dropped += count - part.length;
  }
  return { bytes: Buffer.concat(kept), isWhole: left > 0 };
}

function writeWhole(stream: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(stream, bytes, written);
    } catch (error) {
      // Another program that has the same pipe may have made it non-blocking.
      if (systemCode(error) !== "EAGAIN") throw error;
      Bun.sleepSync(readerMs);
    }
  }
}

/** Standard input and output as raw bytes, for a command whose output is a protocol and nothing else. */
export interface Stdio {
  /** the input in chunks as it arrives; ends when the input ends */
  readonly input: ReadableStream<Uint8Array>;
  /**
   * Writes a text at the reader's pace.
   *
   * @throws the system's error when nobody reads any more
   */
  write(text: string): Promise<void>;
}

/** @returns this process's standard input and output; nothing else may write to the latter */
export function realStdio(): Stdio {
  const sink = Bun.stdout.writer();
  return {
    input: Bun.stdin.stream(),
    async write(text) {
      sink.write(text);
      await sink.flush();
    },
  };
}
