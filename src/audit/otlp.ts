import * as z from "zod/mini";
import { missingIn, parseJson } from "../core/json.ts";
import { printable } from "../core/text.ts";
import { version } from "../core/version.ts";
import { readBody } from "../platform/body.ts";
import { type Fetch, networkFailure } from "../platform/network.ts";
import type { OutgoingLine } from "./outbox.ts";
import { type Delivery, type Gravity, gravityOf, type Receiver, type Trouble } from "./receiver.ts";

/** Severity numbers INFO, WARN and ERROR (OpenTelemetry logs data model, "Field: SeverityNumber"). */
const severity: Readonly<Record<Gravity, readonly [number, string]>> = {
  usual: [9, "INFO"],
  failed: [13, "WARN"],
  grave: [17, "ERROR"],
};

/** Longest answer that we read, bytes. */
const longestAnswer = 64 * 1024;
/** Longest pause that a collector may ask for, s. */
const longestAskedSeconds = 3_600;
/** How long to leave a collector alone that cannot take any line as it is set up, ms: a person has to change something. */
const wronglySetUpMs = 300_000;

/** Answers that ask for the same request again (OTLP specification, "Retryable Response Codes"). */
const again: readonly number[] = [429, 502, 503, 504];
/** Answers that refuse what the request holds, not whoever sends it: it is malformed, too large, or cannot be processed. */
const refusing: readonly number[] = [400, 413, 422];

/** An `ExportLogsServiceResponse` as JSON; a 64-bit number may be a text (Protocol Buffers, "ProtoJSON Format"). */
const answerSchema = z.object({
  partialSuccess: z.nullish(
    z.object({
      rejectedLogRecords: z.nullish(z.union([z.int().check(z.gte(0)), z.string().check(z.regex(/^\d{1,15}$/))])),
      errorMessage: z.nullish(z.string()),
    }),
  ),
});

/** @returns an `ExportLogsServiceRequest` as JSON: one record per line, whose body is the line */
export function logsRequest(lines: readonly OutgoingLine[], hostname: string, nowMs: number): string {
  const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  const records = lines.map((line) => {
    const { seq, time, event, outcome } = line.entry;
    const [severityNumber, severityText] = severity[gravityOf(line)];
    return {
      timeUnixNano: nano(Date.parse(time)),
      observedTimeUnixNano: nano(nowMs),
      severityNumber,
      severityText,
      eventName: `codemie.audit.${event}`,
      body: { stringValue: line.text },
      attributes: [
        { key: "codemie.audit.seq", value: { intValue: String(seq) } },
        text("codemie.audit.event", event),
        text("codemie.audit.outcome", outcome),
      ],
    };
  });
  const resource = {
    attributes: [text("service.name", "codemie"), text("service.version", version), text("host.name", hostname)],
  };
  const scopeLogs = [{ scope: { name: "codemie.audit", version }, logRecords: records }];
  return JSON.stringify({ resourceLogs: [{ resource, scopeLogs }] });
}

/** A 64-bit number is a text in JSON. */
const nano = (ms: number) => (Number.isFinite(ms) ? `${Math.max(0, Math.trunc(ms))}000000` : "0");

/** A collector's verdict on a request. */
type Verdict =
  | { readonly kind: "taken"; readonly refused: number; readonly why: string }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "later"; readonly trouble: Trouble };

/**
 * An OpenTelemetry collector, asked by OTLP over HTTP with JSON. When it refuses a request with several lines as malformed,
 * each line is sent on its own, so that only the lines are lost to it that it cannot take.
 *
 * @param url the address for logs
 * @param now clock, ms since the epoch
 */
export function otlpCollector(url: string, fetch: Fetch, hostname: string, now: () => number): Receiver {
  const { origin } = new URL(url);

  async function ask(lines: readonly OutgoingLine[], signal: AbortSignal): Promise<Verdict> {
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", "user-agent": `codemie/${version}` },
        body: logsRequest(lines, hostname, now()),
        signal,
      });
      const { bytes, end, error } = await readBody(answer.body, longestAnswer);
      if (end === "broken") throw error;
      if (end === "cut") return later(`${origin} answered with more than a collector does`);
      return judgeLogsAnswer(origin, answer.status, answer.headers, bytes.toString("utf8"), now());
    } catch (error) {
      return later(networkFailure(origin, signal.aborted ? timeoutError : error).message);
    }
  }

  return {
    async send(lines, signal): Promise<Delivery> {
      const verdict = await ask(lines, signal);
      if (verdict.kind === "later") return { done: 0, trouble: verdict.trouble };
      if (verdict.kind === "taken") {
        const { refused, why } = verdict;
        return { done: lines.length, ...(refused > 0 && { refused: { lines: Math.min(refused, lines.length), why } }) };
      }
      if (lines.length === 1) return { done: 1, refused: { lines: 1, why: verdict.why } };
      let done = 0;
      let refused: Delivery["refused"];
      for (const line of lines) {
        const one = await this.send([line], signal);
        if (one.trouble) return { done, refused, trouble: one.trouble };
        done++;
        if (one.refused) refused = { lines: (refused?.lines ?? 0) + 1, why: one.refused.why };
      }
      return { done, refused };
    },
  };
}

const timeoutError = Object.assign(new Error("no answer"), { name: "TimeoutError" });

const later = (why: string, afterMs?: number): Verdict => ({ kind: "later", trouble: { why, afterMs } });

/**
 * Judges an answer (OTLP specification, "OTLP/HTTP Response"). Two things differ, since a trail must not lose lines over a
 * mistake in an address or a right: an answer that refuses us, and not the lines, means later; and so does a page instead
 * of an answer.
 *
 * @param nowMs ms since the epoch, for a `Retry-After` that is a date
 */
export function judgeLogsAnswer(
  origin: string,
  status: number,
  headers: Headers,
  text: string,
  nowMs: number,
): Verdict {
  if (status >= 200 && status < 300) {
    // 204 says by itself that there is nothing to read.
    if (status === 204) return { kind: "taken", refused: 0, why: "" };
    const answer = isJson(headers) ? parseJson(text.trim() === "" ? "{}" : text, answerSchema) : undefined;
    if (!answer) {
      const what = isJson(headers) ? missingIn(text, answerSchema) : "with something that is no answer of a collector";
      return later(`${origin} answered ${what}`, wronglySetUpMs);
    }
    const { rejectedLogRecords, errorMessage } = answer.partialSuccess ?? {};
    const why = `${origin} refused them${errorMessage ? `: ${printable(errorMessage, 200)}` : ""}`;
    return { kind: "taken", refused: Number(rejectedLogRecords ?? 0), why };
  }
  if (again.includes(status)) return later(`${origin} answered ${status}`, askedPauseMs(headers, nowMs));
  if (refusing.includes(status) && !isPage(headers)) return { kind: "refused", why: `${origin} answered ${status}` };
  return later(`${origin} answered ${status}, so it is another service, or does not let us in`, wronglySetUpMs);
}

const isJson = (headers: Headers) => /^application\/json\b/i.test(headers.get("content-type") ?? "");

const isPage = (headers: Headers) => /^text\/html\b/i.test(headers.get("content-type") ?? "");

/** @returns the pause of a `Retry-After` (RFC 9110 section 10.2.3), ms */
function askedPauseMs(headers: Headers, nowMs: number): number | undefined {
  const asked = headers.get("retry-after")?.trim() ?? "";
  const seconds = /^\d{1,9}$/.test(asked) ? Number(asked) : (Date.parse(asked) - nowMs) / 1_000;
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), longestAskedSeconds) * 1_000;
}
