import { z } from "zod";
import { loginRecord, type StoredLogin, storedLogin } from "../auth/credential.ts";

/** What an export holds, once opened. */
export const portable = z.strictObject({
  records: z.array(z.strictObject({ name: z.string(), record: z.unknown() })),
  /** the profiles the logins belong to, as in the configuration */
  profiles: z.record(z.string(), z.unknown()),
});
export type Portable = z.infer<typeof portable>;

/** Largest export that is read, bytes: some thousand logins. */
export const largestExport = 64 * 1024 * 1024;

/**
 * Logins mean something on another machine. The end of the audit trail does not: it belongs to the lines beside it, and
 * its key would let whoever opens the file forge them.
 *
 * @returns the profile whose login a record is, or undefined when it is something else
 */
export function profileOfRecord(name: string): string | undefined {
  const prefix = loginRecord("");
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
}

/** @returns a record's content as a login, or undefined when it is none that this version knows */
export function asLogin(record: unknown): StoredLogin | undefined {
  return storedLogin.safeParse(record).data;
}
