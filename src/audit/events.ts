import * as z from "zod/mini";
import { printable } from "../core/text.ts";

/** Every kind of event in the trail. To add one, add a line here and one in the table of docs/security.md. */
export const auditEvents = {
  login: "somebody logged in, or tried to",
  refresh: "a login was renewed, with or without a person",
  logout: "a login was removed",
  "config-changed": "a profile was set up, changed or removed",
  "token-printed": "codemie token printed a credential",
  "agent-run": "an agent ran behind the gateway",
  "mcp-authorized": "the bridge, or a client through the relay, was granted access to an MCP server",
  "proxy-start": "a gateway was started on its own",
  "proxy-stop": "a gateway that ran on its own was stopped",
  "request-denied": "the gateway refused requests in a run",
  "relay-refused": "the relay refused a request",
  "vault-rekeyed": "the vault was sealed with another key or passphrase",
  "vault-exported": "logins were written to a file for another machine",
  "vault-imported": "logins were taken from such a file",
  "lines-missing": "what happened before could not be written down",
  "trail-broken": "the trail does not go on from the lines before it",
} as const;
export type AuditEvent = keyof typeof auditEvents;

const names = Object.keys(auditEvents) as [AuditEvent, ...AuditEvent[]];

/** One line of the trail. */
export const auditEntry = z.strictObject({
  /** counts from 1, without a gap */
  seq: z.int().check(z.positive()),
  /** ISO 8601 */
  time: z.string(),
  event: z.enum(names),
  /** the operating system's name of the user */
  actor: z.string(),
  profile: z.string(),
  /** origin of the host; empty when the event concerns none */
  host: z.string(),
  /** `ok`, `denied`, or the code of the failure */
  outcome: z.string(),
  /** never a secret */
  detail: z.record(z.string(), z.union([z.string(), z.number()])),
  /** HMAC-SHA256 over the line before and this one, base64url */
  mac: z.string(),
});
export type AuditEntry = z.infer<typeof auditEntry>;

/** The part of a line that the caller gives. */
export type AuditFact = Pick<AuditEntry, "event" | "profile" | "host" | "outcome"> &
  Partial<Pick<AuditEntry, "detail">>;

/** Longest text in a line that we write, characters, and most details of one. */
const [longestText, mostDetails] = [300, 8];

/**
 * Makes a line. Servers and people choose the texts (an issuer, a profile), so they become printable and short: a file
 * full of lines stays far below the length that we read.
 *
 * @param nowMs ms since the epoch
 * @returns the line without its MAC
 */
export function entryOf(fact: AuditFact, seq: number, nowMs: number, actor: string): Omit<AuditEntry, "mac"> {
  const text = (value: string) => printable(value, longestText);
  const details = Object.entries(fact.detail ?? {}).slice(0, mostDetails);
  return {
    seq,
    time: new Date(nowMs).toISOString(),
    event: fact.event,
    actor: text(actor),
    profile: text(fact.profile),
    host: text(fact.host),
    outcome: text(fact.outcome),
    detail: Object.fromEntries(details.map(([name, one]) => [name, typeof one === "string" ? text(one) : one])),
  };
}

/** The trail's key, sealed in the vault. */
export const auditHead = z.object({
  key: z.string(),
  /**
   * a name of the sealed end that the trail had, see `Remembered`: after the newest login, what removed records
   * remembered, or the trail before
   */
  seen: z.optional(z.string()),
  /** the end of the trail, as the first version kept it */
  seq: z.optional(z.number()),
  mac: z.optional(z.string()),
});
export type AuditHead = z.infer<typeof auditHead>;

/**
 * A record in the vault and its mark, which remembers the trail: the name that the sealed end had when the record was sealed. It
 * holds a line's number and proves its MAC, and only the holder of the trail's key can make one. The line was on the
 * disk before the record was.
 */
export interface Remembered {
  /** the record, as words */
  readonly who: string;
  /** undefined: the record cannot be read, so what it remembers is unknown */
  readonly mark: string | undefined;
}

/** The store of the trail's head, which holds its key: the vault. */
export interface HeadStore {
  /** path of the head's file, for messages */
  readonly file: string;
  /** @returns the head, or undefined when nothing was ever written */
  read(): Promise<AuditHead | undefined>;
  write(head: AuditHead): Promise<void>;
  /** @returns what the vault's other records remember of the trail */
  remembered(): Promise<Remembered[]>;
}
