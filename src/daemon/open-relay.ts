import type { Context } from "../access/context.ts";
import type { Secret } from "../core/secret.ts";
import { Capabilities } from "../gateway/relay/capability.ts";
import { type Relay, type RelayEvent, relayOf } from "../gateway/relay/relay.ts";
import { upstreamByFetch } from "../gateway/upstream-fetch.ts";
import { addressesOf } from "../platform/diagnose.ts";
import { secureFetch, tlsSettings } from "../platform/network.ts";
import { proxyFor } from "../platform/proxy.ts";
import type { Profile } from "../profiles/config.ts";

/**
 * @param secret of the installation
 * @param tell gets what the audit trail is to know
 * @returns the relay of a profile's gateway
 */
export function openRelay(
  { runtime }: Context,
  { relayPrivateHosts = [] }: Profile,
  secret: Secret,
  tell: (event: RelayEvent) => void,
): Relay {
  const { env, now } = runtime;
  const tls = tlsSettings(env);
  return relayOf({
    capabilities: new Capabilities(secret),
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
