import { z } from "zod";

/** Every kind of event in the trail. To add one, add a line here and one in the table of docs/security.md. */
export const auditEvents = {
  login: "somebody logged in, or tried to",
  refresh: "a login was renewed, with or without a person",
  logout: "a login was removed",
  "config-changed": "a profile was set up, changed or removed",
  "token-printed": "codemie token printed a credential",
  "agent-run": "an agent ran behind the gateway",
  "mcp-authorized": "the bridge was granted access to an MCP server",
  "proxy-start": "a gateway was started on its own",
  "proxy-stop": "a gateway that ran on its own was stopped",
  "request-denied": "the gateway refused requests in a run",
  "vault-rekeyed": "the vault was sealed with another key or passphrase",
  "vault-exported": "logins were written to a file for another machine",
  "vault-imported": "logins were taken from such a file",
  "lines-missing": "what happened before could not be written down",
} as const;
export type AuditEvent = keyof typeof auditEvents;

const names = Object.keys(auditEvents) as [AuditEvent, ...AuditEvent[]];

/** One line of the trail. */
export const auditEntry = z.strictObject({
  /** counts from 1, without a gap */
  seq: z.number().int().positive(),
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

/** The trail's key, sealed in the vault. The first version kept the end of the trail beside it. */
export const auditHead = z.object({ key: z.string(), seq: z.number().optional(), mac: z.string().optional() });
export type AuditHead = z.infer<typeof auditHead>;
