import type { Implementation, InitializeRequest, LATEST_PROTOCOL_VERSION } from "@modelcontextprotocol/sdk/types.js";
import type { CodemieError } from "../core/errors.ts";
import type { Step, Trace } from "../oauth/metadata.ts";
import { mcpFailure } from "./failures.ts";
import { addressOnly } from "./log.ts";
import { member, readEnvelope } from "./message.ts";
import { PendingMessage } from "./pending-message.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/** What came of the way to a server. */
export interface Explanation {
  readonly ok: boolean;
  readonly url: string;
  readonly steps: readonly Step[];
  /** what ended the way, when it did not lead to the server */
  readonly error: CodemieError | undefined;
}

/**
 * The newest protocol revision we ask for; the server answers with one of its own. Written out, as the SDK's constant loads all
 * its schemas (60 ms); where that moves on, `tsc` says so, and the transports have to be read against the new revision.
 */
const protocolVersion = "2025-11-25" satisfies typeof LATEST_PROTOCOL_VERSION;

/**
 * Goes the whole way to a server once, as the bridge would: connection, discovery, authorization, `initialize`. What is shown
 * is what happened.
 *
 * @param url the server's address
 * @param client our name and version
 * @param open makes the transport; steps of the authorization go to the trace it was made with
 * @param steps what the trace has collected
 */
export async function explain(
  url: URL,
  client: Implementation,
  open: (events: TransportEvents) => Transport,
  steps: Step[],
  trace: Trace,
): Promise<Explanation> {
  const params: InitializeRequest["params"] = { protocolVersion, capabilities: {}, clientInfo: client };
  const text = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params });
  const envelope = readEnvelope(text);
  if (typeof envelope === "string") throw new Error(envelope);
  const pending = new PendingMessage(text, envelope);
  let answer: unknown;
  const transport = open({
    async message(received) {
      const found = readEnvelope(received);
      if (typeof found === "string" || !found.answers.includes("1")) return;
      answer = found.value;
      pending.settle("1");
    },
    lost: () => undefined,
  });
  const outcome = await transport.send(pending);
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
  const server = member(member(answer, "result"), "serverInfo");
  if (server === undefined) {
    const said = member(member(answer, "error"), "message");
    const error = mcpFailure.notMcp(
      url.origin,
      `it did not accept initialize: ${typeof said === "string" ? said : ""}`,
    );
    step(false, error.message);
    return done(error);
  }
  const version = member(member(answer, "result"), "protocolVersion");
  step(true, `${member(server, "name")} ${member(server, "version")}, protocol ${version}`);
  return done(undefined);
}
