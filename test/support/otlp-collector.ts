import * as z from "zod/mini";

const stringValue = z.strictObject({ stringValue: z.string() });
const attribute = z.strictObject({
  key: z.string().check(z.minLength(1)),
  value: z.union([stringValue, z.strictObject({ intValue: z.string().check(z.regex(/^-?\d+$/)) })]),
});
const nano = z.string().check(z.regex(/^\d{16,19}$/));
/** What an `ExportLogsServiceRequest` may hold in JSON (opentelemetry-proto, logs.proto), and what a log record needs. */
const request = z.strictObject({
  resourceLogs: z
    .array(
      z.strictObject({
        resource: z.strictObject({ attributes: z.array(attribute) }),
        scopeLogs: z
          .array(
            z.strictObject({
              scope: z.strictObject({ name: z.string(), version: z.string() }),
              logRecords: z
                .array(
                  z.strictObject({
                    timeUnixNano: nano,
                    observedTimeUnixNano: nano,
                    severityNumber: z.int().check(z.gte(1), z.lte(24)),
                    severityText: z.string(),
                    eventName: z.string(),
                    body: stringValue,
                    attributes: z.array(attribute),
                  }),
                )
                .check(z.minLength(1)),
            }),
          )
          .check(z.minLength(1)),
      }),
    )
    .check(z.minLength(1)),
});

/** How the collector answers a request with these bodies; undefined: it takes them. */
export type Answering = (bodies: readonly string[]) => Response | Promise<Response> | undefined;

/** A stand-in for an OpenTelemetry collector that takes what the specification allows, and nothing else. */
export class OtlpCollector implements Disposable {
  readonly #server: Bun.Server<undefined>;
  /** what was wrong with requests */
  readonly faults: string[] = [];
  /** the requests, as they came */
  readonly requests: string[] = [];
  /** the lines that it took, in order */
  readonly lines: string[] = [];
  answering: Answering = () => undefined;

  constructor(tls?: { key: string; cert: string }) {
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      ...(tls && { tls }),
      fetch: (asked) => this.#answer(asked),
    });
  }

  /** its base address */
  get url(): string {
    return this.#server.url.href.replace(/\/$/, "");
  }

  /** what `auditForward` has to be */
  get value(): string {
    return `otlp:${this.url}`;
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }

  async #answer(asked: Request): Promise<Response> {
    const text = await asked.text();
    this.requests.push(text);
    const { pathname } = new URL(asked.url);
    const fault = (what: string) => {
      this.faults.push(what);
      return new Response(what, { status: 400 });
    };
    if (asked.method !== "POST" || pathname !== "/v1/logs") return fault(`${asked.method} ${pathname}`);
    if (asked.headers.get("content-type") !== "application/json") return fault("another content type");
    if (asked.headers.has("authorization") || asked.headers.has("cookie")) return fault("a credential");
    const read = z.safeParse(request, JSON.parse(text));
    if (!read.success) return fault(JSON.stringify(read.error.issues));
    const records = read.data.resourceLogs.flatMap(({ scopeLogs }) =>
      scopeLogs.flatMap(({ logRecords }) => logRecords),
    );
    const bodies = records.map(({ body }) => body.stringValue);
    const other = await this.answering(bodies);
    if (other) return other;
    this.lines.push(...bodies);
    return Response.json({ partialSuccess: {} });
  }
}
