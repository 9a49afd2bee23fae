import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** How far a growing file of lines was read. */
export interface ReadUpTo {
  /** which file it was: another one may have taken its place */
  readonly id: string;
  /** bytes; the start of a line, unless `isInLine` */
  readonly at: number;
  /** true: in the middle of a line that is too long, which is passed over */
  readonly isInLine?: boolean | undefined;
}

/** How a file of lines is read. */
export interface Tailing {
  /** longest line that is looked at, bytes; longer ones are passed over */
  readonly longestLine: number;
  /** most bytes to read this time */
  readonly most: number;
  /**
   * Called for each whole line.
   *
   * @param end where the next line begins, bytes
   * @param isAnew true when the file is not the one that was read before, or was cut, so that it is read from its beginning
   */
  readonly onLine: (line: string, end: number, isAnew: boolean) => void;
}

const pieceBytes = 256 * 1024;
const lineEnd = 0x0a;

/**
 * Reads the lines that a file has got since the last time. It leaves half a line at the end for later. It follows links and
 * waits for nothing.
 *
 * @param from how far the file was read before; undefined: not at all
 * @returns how far it is read now, and whether there is more; undefined when there is no such plain file
 * @throws the system's error when it cannot be read; what `onLine` throws
 */
export async function readLinesOn(
  file: string,
  from: ReadUpTo | undefined,
  { longestLine, most, onLine }: Tailing,
): Promise<{ upTo: ReadUpTo; isMore: boolean } | undefined> {
  const handle = await openPlain(file);
  if (!handle) return undefined;
  try {
    const { dev, ino, size } = await handle.stat();
    const id = `${dev}-${ino}`;
    const isAnew = from !== undefined && (from.id !== id || size < from.at);
    const start = isAnew ? undefined : from;
    let position = start?.at ?? 0;
    let isInLine = start?.isInLine ?? false;
    let rest = Buffer.alloc(0);
    for (let left = most; left > 0; ) {
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, left));
      const { bytesRead } = await handle.read(piece, 0, piece.length, position);
      if (bytesRead === 0) break;
      left -= bytesRead;
      position += bytesRead;
      let bytes = Buffer.concat([rest, piece.subarray(0, bytesRead)]);
      for (let end = bytes.indexOf(lineEnd); end >= 0; end = bytes.indexOf(lineEnd)) {
        const line = bytes.subarray(0, end);
        bytes = bytes.subarray(end + 1);
        if (!isInLine && line.length <= longestLine) onLine(line.toString("utf8"), position - bytes.length, isAnew);
        isInLine = false;
      }
      rest = bytes;
      if (isInLine || rest.length > longestLine) {
        isInLine = true;
        rest = Buffer.alloc(0);
      }
    }
    // A line that is longer than what is read at a time would never be got over.
    if (rest.length >= most) [isInLine, rest] = [true, Buffer.alloc(0)];
    return { upTo: { id, at: position - rest.length, ...(isInLine ? { isInLine } : {}) }, isMore: position < size };
  } finally {
    await handle.close();
  }
}

async function openPlain(file: string): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch {
    return undefined;
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  return undefined;
}
