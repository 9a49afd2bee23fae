/** The part of a body that was read, and how the reading ended. */
export interface ReadBody {
  readonly bytes: Buffer;
  /** `cut`: the body is longer than the limit; `broken`: the stream failed, with `error` */
  readonly end: "whole" | "cut" | "broken";
  readonly error?: unknown;
}

/**
 * Reads a body up to a limit, and gives up the rest.
 *
 * @param body the stream; null for none
 * @param limit most bytes to read
 * @param onBytes called for every piece with how many bytes came so far; reading waits for its promise
 * @returns the bytes that were read; it never throws
 */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
  onBytes: (soFar: number) => Promise<void> | undefined = () => undefined,
): Promise<ReadBody> {
  const pieces: Uint8Array[] = [];
  let left = limit;
  let end: ReadBody["end"] = "whole";
  try {
    for await (const piece of body ?? []) {
      await onBytes(limit - left + piece.length);
      // A copy: the sender may reuse a piece's memory as soon as we ask for the next piece.
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

/**
 * @param tooLong makes the failure for a longer body
 * @returns the whole body as text
 * @throws the failure when it is longer than the limit, after decompression; the stream's error when it breaks off
 */
export async function textUpTo(response: Response, limit: number, tooLong: () => Error): Promise<string> {
  const { bytes, end, error } = await readBody(response.body, limit);
  if (end === "cut") throw tooLong();
  if (end === "broken") throw error;
  return new TextDecoder().decode(bytes);
}
