import { record } from "../access/audit.ts";
import { awaiting, type Context } from "../access/context.ts";
import { availableModels, credentialsFor } from "../access/credentials.ts";
import { type Given, subjectOf, warnOfTokensEnd } from "../access/given.ts";
import { relayClients, relaySecret } from "../access/relay-records.ts";
import { stores } from "../access/stores.ts";
import { CodemieError } from "../core/errors.ts";
import { processId } from "../platform/self.ts";
import { exitCodeOf, StopRequests } from "../platform/signals.ts";
import type { Resolved } from "../profiles/resolve.ts";
import { openGateway } from "./open-gateway.ts";
import { openRelay } from "./open-relay.ts";
import { relayEvents } from "./relay-events.ts";
import { type GatewayState, ProxyStates } from "./state.ts";

/** While the gateway runs, refused requests go into the audit trail at most this often, ms. */
const auditEveryMs = 60_000;

export interface ServeOptions {
  /** port to listen on; 0: a random one */
  readonly port: number;
  /** time for running requests to end when the gateway stops, seconds */
  readonly drainSeconds: number;
  /**
   * Called once the gateway listens.
   *
   * @param isKept false: no other command of ours will find it
   */
  ready(state: GatewayState, isKept: boolean): void;
}

/**
 * Runs the gateway on its own until a signal stops it. It checks the login before it listens.
 *
 * @param context as {@link forProfile} returns it
 * @param given the credential given for this run, if one is
 * @returns the exit code: 0 after SIGTERM; 128 + the signal's number after any other, or a second one during the drain
 * @throws what the credentials and the host throw; `port_taken`; `failed` when a gateway of this profile runs already
 */
export async function serve(
  context: Context,
  resolved: Resolved,
  given: Given | undefined,
  options: ServeOptions,
): Promise<number> {
  const { runtime, output } = context;
  const { vault } = stores(runtime);
  const credentials = credentialsFor(context, vault, resolved, given);
  await awaiting(context, resolved.host.value.origin, () => warnOfTokensEnd(context, credentials));
  const models = await availableModels(context, credentials, resolved);
  const model = resolved.model?.value ?? (models.find((one) => one.default) ?? models[0])?.id ?? "MODEL";
  const subject = await subjectOf(given, credentials);
  const where = { profile: resolved.name, host: resolved.host.value.origin };
  // A fixed port is what lets a client keep the relay's addresses.
  const secret = await relaySecret(context, vault, options.port !== 0);
  const clients = await relayClients(context, vault);
  let started = false;

  const run = async (write: ((state: GatewayState) => Promise<void>) | undefined): Promise<number> => {
    started = true;
    const stop = new StopRequests();
    const events = relayEvents(context, vault, where);
    const relay = openRelay(context, resolved.profile, { secret, clients, tell: events.tell });
    const client = {
      name: "codemie-daemon",
      model: resolved.model?.value,
      repository: undefined,
      port: options.port,
      relay,
    };
    const gateway = openGateway(context, resolved, credentials, client);
    let audited = 0;
    const auditDenied = async () => {
      const denied = gateway.counts.denied - audited;
      audited += denied;
      const fact = { event: "request-denied", ...where, outcome: "denied", detail: { denied } } as const;
      if (denied > 0) await record(context, vault, fact);
    };
    const timer = setInterval(() => void auditDenied().then(() => events.flush()), auditEveryMs);
    try {
      const state: GatewayState = {
        ...where,
        url: gateway.url,
        key: gateway.key.reveal(),
        relay: gateway.relay?.reveal(),
        pid: processId(),
        startedAt: new Date(runtime.now()).toISOString(),
        model,
        drainSeconds: options.drainSeconds,
      };
      await write?.(state);
      await record(context, vault, {
        event: "proxy-start",
        ...where,
        outcome: "ok",
        detail: { pid: state.pid, ...subject },
      });
      options.ready(state, write !== undefined);
      const signal = await stop.next();
      output.say.info(`stopping; running requests get ${options.drainSeconds} s to end`);
      const again = await Promise.race([gateway.drain(options.drainSeconds * 1000), stop.next()]);
      if (again) return exitCodeOf(again);
      return signal === "SIGTERM" ? 0 : exitCodeOf(signal);
    } finally {
      clearInterval(timer);
      await gateway.close();
      await auditDenied();
      await events.flush();
      const detail = { requests: gateway.counts.forwarded };
      await record(context, vault, { event: "proxy-stop", ...where, outcome: "ok", detail });
      stop.end();
    }
  };

  try {
    return await new ProxyStates(runtime.home).holding(resolved.name, run);
  } catch (error) {
    if (started || !(error instanceof CodemieError) || error.code !== "disk") throw error;
    output.say.warn(`${error.message}; codemie proxy status and stop will not know this gateway`);
    return await run(undefined);
  }
}
