/** The longest line that we accept from standard input, bytes. */
export const longestLine = 64 * 1024 * 1024;

/** A line of the input, or why it cannot be used. */
export type Line = { readonly text: string } | { readonly fault: "too-long" | "not-utf8" };

const lineFeed = 10;

/**
 * Splits a stream of bytes into lines (MCP stdio transport: one message per line). It skips a line that is too long
 * without keeping it, and leaves out empty lines.
 *
 * @param input the bytes, in any pieces
 * @param limit longest line, bytes
 * @returns the lines, without white space around them; a `fault` for a line that cannot be used
 */
export async function* readLines(input: AsyncIterable<Uint8Array>, limit = longestLine): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const add = (part: Uint8Array) => {
    length += part.length;
    if (length <= limit) parts.push(part);
    else parts = [];
  };
  const take = (): Line | undefined => {
    const line: Line | undefined = length > limit ? { fault: "too-long" } : decode(parts);
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of input) {
    let from = 0;
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, from)) {
      add(chunk.subarray(from, at));
      from = at + 1;
      const line = take();
      if (line) yield line;
    }
    // Copy: the runtime may reuse the chunk's memory.
    if (from < chunk.length) add(chunk.slice(from));
  }
  const last = take();
  if (last) yield last;
}

function decode(parts: readonly Uint8Array[]): Line | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts)).trim();
    return text === "" ? undefined : { text };
  } catch {
    return { fault: "not-utf8" };
  }
}
