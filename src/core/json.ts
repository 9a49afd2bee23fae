import * as z from "zod/mini";
import { jsonValue } from "./json-value.ts";

/** A schema that yields a value of type T. */
export type Schema<T> = z.core.$ZodType<T>;

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

/**
 * @param text that {@link parseJson} refused
 * @returns what it lacks, in words that follow on "it answered"
 */
export function missingIn(text: string, schema: Schema<unknown>): string {
  let value: unknown;
  try {
    value = jsonValue(text);
  } catch {
    return "with something that is not JSON";
  }
  const name = z.safeParse(schema, value).error?.issues[0]?.path[0];
  return name === undefined ? "with JSON of another form" : `without a usable ${String(name).slice(0, 60)}`;
}

/**
 * Makes the schema of an object whose names come from elsewhere. It yields a Map: in an object, `__proto__` and `constructor` are
 * there already. {@link withMaps} writes it.
 *
 * @param value what each value must be
 */
export function mapOf<T>(value: Schema<T>) {
  return z.pipe(
    z.custom<object>((all) => typeof all === "object" && all !== null && !Array.isArray(all)),
    z.transform((all, { issues }): Map<string, T> => {
      const read = new Map<string, T>();
      for (const [name, one] of Object.entries(all)) {
        const result = z.safeParse(value, one);
        if (result.success) read.set(name, result.data);
        else issues.push({ code: "custom", input: all, message: "a value has another form" });
      }
      return read;
    }),
  );
}

/** Has `JSON.stringify` write Maps as objects: its second argument. */
export const withMaps = (_name: string, value: unknown): unknown =>
  value instanceof Map ? Object.fromEntries(value) : value;

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

/**
 * Makes the schema of a list of which every entry has to fit. It looks no further than the first one that does not: see
 * {@link listOf}.
 *
 * @param entry what an entry must be
 */
export function listOfOnly<T>(entry: Schema<T>) {
  return z.pipe(
    z.custom<readonly unknown[]>(Array.isArray),
    z.transform((all, { issues }): T[] => {
      const read: T[] = [];
      for (const one of all) {
        const result = z.safeParse(entry, one);
        if (!result.success) {
          issues.push({ code: "custom", input: all, message: "an entry has another form" });
          return z.NEVER;
        }
        read.push(result.data);
      }
      return read;
    }),
  );
}
