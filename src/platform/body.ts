/** What was read of a body, and how the reading ended. */
export interface ReadBody {
  readonly bytes: Buffer;
  /** `cut`: there is more than was asked for; `broken`: the stream failed, with `error` */
  readonly end: "whole" | "cut" | "broken";
  readonly error?: unknown;
}

/**
 * Reads a body up to a bound. Beyond it the rest is given up.
 *
 * @param body the stream; null for none
 * @param limit most that is read, bytes
 * @param onBytes told of every piece: a sign of life
 * @returns what was read; it never throws
 */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
  onBytes: () => void = () => undefined,
): Promise<ReadBody> {
  const pieces: Uint8Array[] = [];
  let left = limit;
  let end: ReadBody["end"] = "whole";
  try {
    for await (const piece of body ?? []) {
      onBytes();
      // A copy: the sender may take the memory of a piece back once the next one is asked for.
      pieces.push(Buffer.from(piece.subarray(0, left)));
      if (piece.length > left) {
        end = "cut";
        break;
      }
      left -= piece.length;
    }
  } catch (error) {
    return { bytes: Buffer.concat(pieces), end: "broken", error };
  }
  return { bytes: Buffer.concat(pieces), end };
}
