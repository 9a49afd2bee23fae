import { commandMs, Forwarder, type Forwarding } from "../audit/forward.ts";
import type { Receiver } from "../audit/receiver.ts";
import { readForwardTo } from "../core/forward-to.ts";
import { tlsSettings } from "../platform/network.ts";
import { silently } from "../platform/private.ts";
import type { Runtime } from "../platform/runtime.ts";
import { machineName } from "../platform/user.ts";
import { ProfileStore } from "../profiles/store.ts";
import type { Context } from "./context.ts";

/** One for each base folder: in a process that runs for long, its timer tries again. */
const forwarders = new Map<string, Forwarder>();

/** @returns the forwarding of the audit trail under the base folder */
export function forwarderOf({ runtime, output }: Pick<Context, "runtime" | "output">): Forwarder {
  const known = forwarders.get(runtime.home);
  if (known) return known;
  const profiles = new ProfileStore(runtime.home, silently);
  const forwarding: Forwarding = {
    destination: () => profiles.auditForward(),
    receiver: (to) => receiverAt(to, runtime),
    warn: (text) => output.say.warn(text),
    now: runtime.now,
  };
  const made = new Forwarder(runtime.home, forwarding);
  forwarders.set(runtime.home, made);
  return made;
}

/**
 * Lets a receiver know that it gets no more: it still gets the line that says so, if it can be reached now.
 *
 * @param to the receiver, as the configuration had it; undefined: there was none
 */
export function sendLast(context: Context, to: string | undefined): void {
  if (to !== undefined) void forwarderOf(context).forward(commandMs, to);
}

/** Loads only what that kind of receiver needs. */
async function receiverAt(text: string, { env, fetch, now }: Runtime): Promise<Receiver> {
  const to = readForwardTo(text);
  if (typeof to === "string") return unusable(to);
  if (to.kind === "otlp") {
    const { otlpCollector } = await import("../audit/otlp.ts");
    return otlpCollector(to.url, fetch, machineName(), now);
  }
  const { localSyslog, syslogOverTls } = await import("../audit/syslog.ts");
  if (to.kind === "local") return localSyslog(to.socket, machineName());
  const settings = tlsSettings(env);
  return syslogOverTls(to, () => settings(false), machineName());
}

const unusable = (why: string): Receiver => ({ send: async () => ({ done: 0, trouble: { why } }) });
