import * as z from "zod/mini";

/** A schema that yields a value of type T. */
export type Schema<T> = z.core.$ZodType<T>;

/** Most levels of lists and objects in a document from elsewhere: the runtime takes seconds for a million of them. */
const mostLevels = 64;

/**
 * @param text JSON text from elsewhere
 * @returns its value
 * @throws SyntaxError when it is not JSON, or nested deeper than {@link mostLevels}
 */
export function jsonValue(text: string): unknown {
  let level = 0;
  let isInText = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (isInText) {
      if (char === 0x5c) i++;
      else if (char === 0x22) isInText = false;
    } else if (char === 0x22) isInText = true;
    else if (char === 0x5b || char === 0x7b) {
      if (++level > mostLevels) throw new SyntaxError("nested too deeply");
    } else if (char === 0x5d || char === 0x7d) level--;
  }
  return JSON.parse(text);
}

/**
 * Parses JSON at a border: nothing passes that the schema does not describe.
 *
 * @param text JSON text
 * @param schema what it must be
 * @returns the typed value, or undefined when the text is not JSON or not of that shape
 */
export function parseJson<T>(text: string, schema: Schema<T>): T | undefined {
  try {
    const result = z.safeParse(schema, jsonValue(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

/** Most entries of a list from elsewhere that we look at. */
const mostEntries = 2_000;

/**
 * Makes the schema of a list from elsewhere. Entries that do not fit are left out: a bad one must not keep the others
 * from being used. A list without a good entry is refused. Only the first {@link mostEntries} are looked at, each on its
 * own: zod keeps a record of every fault, which for millions of entries takes gigabytes.
 *
 * @param entry what an entry must be
 * @returns a schema that yields the entries that fit; of `null`, none
 */
export function listOf<T>(entry: Schema<T>) {
  return z.pipe(
    z.custom<readonly unknown[] | null>((value) => value === null || Array.isArray(value)),
    z.transform((all, { issues }): T[] => {
      const first = all?.slice(0, mostEntries) ?? [];
      const fitting = first.flatMap((one) => {
        const result = z.safeParse(entry, one);
        return result.success ? [result.data] : [];
      });
      const message = "no entry has the expected form";
      if (first.length > 0 && fitting.length === 0) issues.push({ code: "custom", input: all, message });
      return fitting;
    }),
  );
}
