import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { openDatagramSocket, systemLogSocket } from "../platform/datagram.ts";
import { canSearch } from "../platform/names.ts";
import { networkFailure, type TlsSettings } from "../platform/network.ts";
import type { OutgoingLine } from "./outbox.ts";
import { type Delivery, type Gravity, gravityOf, type Receiver } from "./receiver.ts";

/** Facility 13, "log audit", and the severities informational, warning and error (RFC 5424 section 6.2.1). */
const facility = 13;
const severity: Readonly<Record<Gravity, number>> = { usual: 6, failed: 4, grave: 3 };
/** Longest wait for a receiver that closes by itself, ms. */
const longestCrossingMs = 300;
/** How long to wait before the next try when the system's log has not read enough yet, ms. */
const fullMs = 10;

/**
 * Makes a message (RFC 5424 section 6). What it carries is the line as ASCII, so that it needs no mark for UTF-8 and no
 * receiver changes a letter; the hash is over the values, not over their spelling.
 *
 * @param hostname of this machine
 */
export function syslogMessage(line: OutgoingLine, hostname: string): Buffer {
  const { time, event } = line.entry;
  const host = hostname.replace(/[^\x21-\x7e]/g, "").slice(0, 255) || "-";
  const text = line.text.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const priority = facility * 8 + severity[gravityOf(line)];
  return Buffer.from(`<${priority}>1 ${time} ${host} codemie - ${event} - ${text}`);
}

/**
 * The system's log on this machine. What its socket took has arrived: there is no answer.
 *
 * @param path of its socket; undefined: the usual one
 */
export function localSyslog(path: string | undefined, hostname: string): Receiver {
  return {
    async send(lines, signal) {
      const socket = openDatagramSocket(path ?? systemLogSocket);
      if (typeof socket === "string") {
        return { done: 0, trouble: { why: `the system's log at ${path ?? systemLogSocket} takes nothing: ${socket}` } };
      }
      try {
        for (let done = 0, refused = 0; ; ) {
          const line = lines[done];
          const whyNot =
            refused > 0 ? { lines: refused, why: "the system's log takes no line of that length" } : undefined;
          if (!line) return { done, refused: whyNot };
          const outcome = socket.send(syslogMessage(line, hostname));
          if (outcome === "gone" || (outcome === "full" && signal.aborted)) {
            const why = outcome === "gone" ? "it has gone" : "it reads too slowly";
            return { done, refused: whyNot, trouble: { why: `the system's log took no more: ${why}` } };
          }
          if (outcome === "full") await Bun.sleep(fullMs);
          else done++;
          if (outcome === "too-long") refused++;
        }
      } finally {
        socket.close();
      }
    },
  };
}

/**
 * A syslog receiver over TLS (RFC 5425), with counted octets (RFC 6587 section 3.4.1). Syslog has no answers, so we end
 * our half of the connection behind the last message: a receiver that has read up to there closes its half too. Any other
 * end may mean that it has not read everything, and then all is sent again. So that its own close is not taken for that
 * answer, ours waits until one that it began before it had the messages must have come: as long as the handshake took,
 * which is two ways there and back. If it closes later without reading, its system resets the connection.
 *
 * @param tls yields the certificates to accept
 */
export function syslogOverTls(
  { hostname: host, port }: { hostname: string; port: number },
  tls: () => TlsSettings,
  hostname: string,
): Receiver {
  const origin = `syslog+tls://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return {
    async send(lines, signal) {
      const messages = lines.map((line) => syslogMessage(line, hostname));
      const bytes = Buffer.concat(messages.flatMap((one) => [Buffer.from(`${one.length} `), one]));
      const over = Promise.withResolvers<Delivery>();
      const trouble = (why: string) => over.resolve({ done: 0, trouble: { why } });
      let socket: TLSSocket | undefined;
      let isEnded = false;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tooLate = () => trouble(networkFailure(origin, timeoutError).message);
      signal.addEventListener("abort", tooLate, { once: true });
      try {
        if (!(await canSearch(host, signal)) || signal.aborted) tooLate();
        else {
          socket = connect({ host, port, ...(isIP(host) ? {} : { servername: host }), ...tls() });
          const open = socket;
          const startedAt = performance.now();
          // Only now, so that nothing is sent to somebody whose certificate we do not accept.
          open.once("secureConnect", () => {
            const handshakeMs = Math.min(performance.now() - startedAt, longestCrossingMs);
            open.write(bytes, () => {
              timer = setTimeout(() => {
                isEnded = true;
                open.end();
              }, handshakeMs);
            });
          });
          open.on("error", (error) => trouble(networkFailure(origin, error).message));
          const early = () => trouble(`${origin} closed the connection before it had read everything`);
          open.once("end", () => (isEnded ? over.resolve({ done: lines.length }) : early()));
          open.once("close", early);
          open.resume();
        }
        return await over.promise;
      } catch (error) {
        return { done: 0, trouble: { why: networkFailure(origin, error).message } };
      } finally {
        signal.removeEventListener("abort", tooLate);
        clearTimeout(timer);
        socket?.destroy();
      }
    },
  };
}

const timeoutError = Object.assign(new Error("no answer"), { name: "TimeoutError" });
