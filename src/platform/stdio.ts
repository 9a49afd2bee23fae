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
