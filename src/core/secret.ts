/** `inspect.custom` of `node:util`, which takes long to load. */
const inspected = Symbol.for("nodejs.util.inspect.custom");

/**
 * A value that must not be seen: it prints as `[redacted]` in strings, JSON, logs and `console`.
 * `reveal()` is the only way to the text, so every use can be found by searching for it.
 */
export class Secret {
  readonly #value: string;

  /** @param value the secret text */
  constructor(value: string) {
    this.#value = value;
  }

  /** @returns the secret text, for the one place that has to send or seal it */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "[redacted]";
  }

  toJSON(): string {
    return "[redacted]";
  }

  [inspected](): string {
    return "[redacted]";
  }
}
