/** Standard input and output as raw bytes, for a program whose output is a protocol and nothing else. */
export interface Stdio {
  /** what arrives, in chunks as they come; ends with the input */
  readonly input: ReadableStream<Uint8Array>;
  /**
   * Writes a text at the reader's pace.
   *
   * @throws when nobody reads any more
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
