import type { Implementation, InitializeRequest, LATEST_PROTOCOL_VERSION } from "@modelcontextprotocol/sdk/types.js";
import type { CodemieError } from "../core/errors.ts";
import { addressOnly } from "../core/text.ts";
import type { Step, Trace } from "../oauth/trace.ts";
import { mcpFailure } from "./failures.ts";
import { memberAt, readEnvelope, textAt } from "./message.ts";
import { PendingMessage } from "./pending-message.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/** The result of {@link explain}. */
export interface Explanation {
  readonly ok: boolean;
  readonly url: string;
  readonly steps: readonly Step[];
  /** the failure; undefined when the server answered `initialize` */
  readonly error: CodemieError | undefined;
}

/**
 * The newest protocol revision we ask for; the server answers with one of its own. It is written out: the SDK's constant loads all
 * its schemas (60 ms); when that moves on, `tsc` fails, and the transports have to be read against the new revision.
 */
const protocolVersion = "2025-11-25" satisfies typeof LATEST_PROTOCOL_VERSION;

/**
 * Connects to a server once, as the bridge would: connection, discovery, authorization, `initialize`.
 *
 * @param url the server's address
 * @param client our name and version
 * @param masked masks, in the server's words, the secrets that it was sent
 * @param open makes the transport; its authorization reports steps to the same `trace`
 * @param steps the list that `trace` fills
 * @param trace gets the last step, `initialize`
 * @returns the steps, and the failure if there is one
 */
export async function explain(
  url: URL,
  client: Implementation,
  masked: (words: string) => string,
  open: (events: TransportEvents) => Transport,
  steps: Step[],
  trace: Trace,
): Promise<Explanation> {
  const params: InitializeRequest["params"] = { protocolVersion, capabilities: {}, clientInfo: client };
  const text = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params });
  const envelope = readEnvelope(text);
  if (typeof envelope === "string") throw new Error(envelope);
  const pending = new PendingMessage(text, envelope);
  let answer: string | undefined;
  const transport = open({
    async message(received) {
      const found = readEnvelope(received);
      if (typeof found === "string") return;
      const own = found.messages.find(({ answers }) => answers === "1" || answers === '"1"');
      if (!own) return;
      answer = own.text;
      pending.settle("1");
    },
    lost: () => undefined,
  });
  const outcome = await transport.send(pending);
  const { revision } = transport;
  await transport.close(1_000);
  const done = (error: CodemieError | undefined): Explanation => ({
    ok: error === undefined,
    url: addressOnly(url),
    steps,
    error,
  });
  const step = (ok: boolean, detail: string) =>
    trace({ name: "initialize", ok, detail, reference: "MCP 2025-11-25 lifecycle" });
  if (outcome.kind === "failed") {
    if (steps.at(-1)?.ok !== false) step(false, outcome.error.message);
    return done(outcome.error);
  }
  if (memberAt(answer, "result", "serverInfo") === undefined) {
    const said = masked(textAt(answer, "error", "message") ?? "");
    const error = mcpFailure.notMcp(url.origin, `it did not accept initialize: ${said}`);
    step(false, error.message);
    return done(error);
  }
  const [name, version] = ["name", "version"].map((one) => textAt(answer, "result", "serverInfo", one));
  step(true, `${name} ${version}, protocol ${revision ?? textAt(answer, "result", "protocolVersion")}`);
  return done(undefined);
}
