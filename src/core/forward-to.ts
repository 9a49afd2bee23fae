import { isLoopback, withoutLastSlashes } from "./host.ts";

/** Where each line of the audit trail is sent as well. */
export type ForwardTo =
  /** the system's log on this machine; undefined: its usual socket */
  | { readonly kind: "local"; readonly socket: string | undefined }
  /** a syslog receiver: RFC 5424 messages over TLS */
  | { readonly kind: "tls"; readonly hostname: string; readonly port: number }
  /** an OpenTelemetry collector: the whole address for logs */
  | { readonly kind: "otlp"; readonly url: string };

/** Port for syslog over TLS (RFC 5425 section 4.1). */
const syslogPort = 6514;
/** Longest path of a socket, bytes: what macOS has room for (sys/un.h), without the zero at its end. */
const longestSocket = 103;

/** How the three kinds look, for a hint. */
export const forwardExamples = "syslog:, syslog+tls://logs.example.com:6514 or otlp:https://collector.example.com:4318";

/**
 * Reads the address of a receiver of the audit trail.
 *
 * @param text `syslog:`, also with an absolute path behind it; `syslog+tls://HOST[:PORT]`; `otlp:URL`, the collector's base
 *   address. It may hold no password, since the configuration holds no secret
 * @returns the receiver, or in words why the text names none; they repeat nothing of it
 */
export function readForwardTo(text: string): ForwardTo | string {
  const [, kind = "", rest = ""] = /^(syslog|syslog\+tls|otlp):(.*)$/is.exec(text) ?? [];
  if (/[\p{Cc}\s]/u.test(rest)) return "it has blanks or control characters in it";
  if (rest.includes("@")) return "a user name or password in it is not allowed";
  switch (kind.toLowerCase()) {
    case "syslog":
      return localSocket(rest);
    case "syslog+tls":
      return overTls(rest);
    case "otlp":
      return collector(rest);
    default:
      return /^https?:/i.test(text) ? "a collector's address has otlp: before it" : "it names no kind of receiver";
  }
}

function localSocket(rest: string): ForwardTo | string {
  if (rest === "") return { kind: "local", socket: undefined };
  if (!rest.startsWith("/") || rest.startsWith("//"))
    return "syslog: goes to a socket of this machine, by its absolute path; another host is reached over syslog+tls:";
  if (Buffer.byteLength(rest) > longestSocket) return `the path of a socket has at most ${longestSocket} bytes`;
  return { kind: "local", socket: rest };
}

function overTls(rest: string): ForwardTo | string {
  const [, host, digits] = /^\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?\/?$/i.exec(rest) ?? [];
  if (host === undefined) return "it is not a host and a port";
  const port = digits === undefined ? syslogPort : Number(digits);
  if (port < 1 || port > 65_535) return "a port is a number from 1 to 65535";
  return { kind: "tls", hostname: host.replace(/^\[(.*)\]$/, "$1").toLowerCase(), port };
}

/** The path for logs is appended to a base address (OTLP specification, "OTLP/HTTP Request"). */
function collector(rest: string): ForwardTo | string {
  const url = URL.parse(rest);
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:")) return "it is not a web address";
  if (url.protocol === "http:" && !isLoopback(url.hostname)) return "plain http: is allowed on this machine only";
  if (url.search || url.hash) return "a query or a fragment in it is not allowed";
  const path = withoutLastSlashes(url.pathname);
  return { kind: "otlp", url: `${url.origin}${path.endsWith("/v1/logs") ? path : `${path}/v1/logs`}` };
}
