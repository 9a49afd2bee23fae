import type { ZodType } from "zod";

/**
 * Parses JSON at a border: nothing passes that the schema does not describe.
 *
 * @param text JSON text
 * @param schema what it must be
 * @returns the typed value, or undefined when the text is not JSON or not of that shape
 */
export function parseJson<T>(text: string, schema: ZodType<T>): T | undefined {
  try {
    const result = schema.safeParse(JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}
