import type { Context } from "../access/context.ts";
import { blindlyTrusted, listedOrNamed } from "../access/credentials.ts";
import type { Repository } from "../agents/repository.ts";
import type { Credentials } from "../auth/credentials.ts";
import { headerSafe } from "../core/text.ts";
import { version } from "../core/version.ts";
import { type Gateway, type LoginTold, startGateway } from "../gateway/gateway.ts";
import type { Relay } from "../gateway/relay/relay.ts";
import { upstreamByFetch } from "../gateway/upstream-fetch.ts";
import type { HttpClient } from "../http1/message.ts";
import { connectionPool } from "../http1/pool.ts";
import { tlsSettings } from "../platform/network.ts";
import { namedProxy } from "../platform/proxy.ts";
import type { Resolved } from "../profiles/resolve.ts";

/** The program that a gateway serves, and what the platform wants to know of it. */
export interface GatewayClient {
  /** the platform's client type, for example `codemie-claude` (CodeMie fact 5.3) */
  readonly name: string;
  readonly model: string | undefined;
  readonly repository: Repository | undefined;
  /** port to listen on; 0: a random one */
  readonly port: number;
  /** called with betas of Anthropic's API that the host refuses */
  readonly betasRefused?: ((betas: readonly string[]) => Promise<void>) | undefined;
  /** called after each request, as {@link LoginTold} says */
  readonly loginTold?: LoginTold | undefined;
  /** leads MCP clients to their servers */
  readonly relay?: Relay | undefined;
}

/**
 * Starts the gateway of a profile.
 *
 * @param context as {@link forProfile} returns it
 * @returns the listening gateway
 * @throws `port_taken`
 */
export function openGateway(
  context: Context,
  resolved: Resolved,
  credentials: Credentials,
  client: GatewayClient,
): Gateway {
  // While the gateway runs, the screen is an agent's.
  const unwatched = { ...context, output: { say: context.output.say } };
  return startGateway({
    host: resolved.host.value,
    credentials,
    ownHeaders: resolved.host.value.kind === "codemie" ? codemieHeaders(resolved, client) : {},
    upstream: upstreamFor(context, resolved),
    timeoutMs: resolved.timeout.value * 1000,
    port: client.port,
    extraPaths: resolved.profile.gatewayPaths ?? [],
    betasRefused: client.betasRefused,
    loginTold: client.loginTold,
    relay: client.relay,
    models: () => listedOrNamed(unwatched, credentials, resolved),
  });
}

function upstreamFor({ runtime }: Context, { host, profile }: Resolved): HttpClient {
  const { origin } = host.value;
  // Plain http: means loopback, which never goes to a proxy. Only `fetch` may skip the verification of a certificate,
  // so it connects if the profile asks for that.
  const isProxied = origin.startsWith("https:") && namedProxy(runtime.env, "https:") !== undefined;
  if (isProxied || blindlyTrusted(profile) === origin) return upstreamByFetch(runtime.fetch);
  const tls = tlsSettings(runtime.env);
  return connectionPool(origin, () => tls(false));
}

/** The headers that the platform wants on every request (CodeMie fact 5.3), without values that cannot be a header. */
function codemieHeaders(resolved: Resolved, client: GatewayClient): Record<string, string> {
  const timeoutMs = resolved.timeout.value * 1000;
  const candidates: Record<string, string | undefined> = {
    "x-codemie-cli": `codemie-cli/${version}`,
    "x-codemie-client": client.name,
    "x-codemie-session-id": crypto.randomUUID(),
    "x-codemie-cli-model": client.model,
    "x-codemie-repository": client.repository?.name,
    "x-codemie-branch": client.repository?.branch,
    "x-codemie-project": resolved.project?.value,
    "x-codemie-integration": resolved.profile.codeMieIntegration?.id,
    "x-codemie-cli-timeout": timeoutMs > 0 ? String(timeoutMs) : undefined,
  };
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(candidates)) {
    const safe = headerSafe(value);
    if (safe !== undefined) headers[name] = safe;
  }
  return headers;
}
