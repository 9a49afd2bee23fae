/** The longest line taken from standard input, bytes. */
export const longestLine = 64 * 1024 * 1024;

/** A line of the input, or why it is none. */
export type Line = { readonly text: string } | { readonly fault: "too-long" | "not-utf8" };

const lineFeed = 10;

/**
 * Cuts a stream of bytes into lines (MCP stdio transport: one message per line). A line that is too long is skipped to its
 * end without being kept; empty ones are left out.
 *
 * @param input the bytes as they come
 * @param limit longest line, bytes
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
    // A copy: the runtime may use the chunk's memory again.
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
