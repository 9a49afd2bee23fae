import * as z from "zod/mini";

/**
 * Makes the schema of a document from an authorization server, an OpenID provider or a protected resource. Servers send
 * `null` or an empty text where they mean "none", so a member with such a value counts as absent.
 *
 * @param shape the members that we use
 */
export function documentOf<S extends z.core.$ZodShape>(shape: S) {
  return z.pipe(z.transform(withoutEmpty), z.object(shape));
}

function withoutEmpty(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null && member !== ""));
}

/** A text we can do without: one of another type counts as absent, so that the rest of the document is of use. */
export const optionalText = z.catch(z.optional(z.string()), undefined);

/** A number of seconds, which some servers send as text. */
export const seconds = z.union([
  z.number(),
  z.pipe(z.string().check(z.regex(/^\d{1,20}(\.\d+)?$/)), z.transform(Number)),
]);
