import type { Context } from "../access/context.ts";
import type { Secret } from "../core/secret.ts";
import type { RegisteredClients } from "../gateway/relay/callback.ts";
import { Capabilities } from "../gateway/relay/capability.ts";
import type { RelayEvent } from "../gateway/relay/events.ts";
import { type Relay, relayOf } from "../gateway/relay/relay.ts";
import { upstreamByFetch } from "../gateway/upstream-fetch.ts";
import { addressesOf } from "../platform/diagnose.ts";
import { secureFetch, tlsSettings } from "../platform/network.ts";
import { proxyFor } from "../platform/proxy.ts";
import type { Profile } from "../profiles/config.ts";

/** The memory of a relay, and its way to the audit trail. */
export interface RelayMemory {
  /** of the installation: its addresses are made with it */
  readonly secret: Secret;
  readonly clients: RegisteredClients;
  /** gets what the audit trail is to know */
  readonly tell: (event: RelayEvent) => void;
}

/** @returns the relay of a profile's gateway */
export function openRelay(
  { runtime }: Context,
  { relayPrivateHosts = [] }: Profile,
  { secret, clients, tell }: RelayMemory,
): Relay {
  const { env, now } = runtime;
  const tls = tlsSettings(env);
  return relayOf({
    capabilities: new Capabilities(secret),
    clients,
    clientName: env.MCP_CLIENT_NAME || "CodeMie CLI",
    privateHosts: relayPrivateHosts,
    addressesOf,
    isProxied: (url) => proxyFor(url, env) !== undefined,
    now,
    // The profile's insecureSkipTlsVerify is for its own host: here every certificate is verified.
    tls: () => tls(false),
    proxied: upstreamByFetch(secureFetch(env)),
    tell,
  });
}
