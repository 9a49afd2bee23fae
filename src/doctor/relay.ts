import { shownProxy } from "../platform/proxy.ts";
import { type Finding, failed, ok, warning } from "./check.ts";

/** A gateway that was opened for the check. */
export interface RelayCheck {
  /** sends a request to the gateway, by path and query */
  readonly ask: (path: string) => Promise<{ readonly status: number }>;
  /** the relay's key */
  readonly key: string;
  /** the profile's `relayPrivateHosts` */
  readonly privateHosts: readonly string[];
  /** the proxy on the way to the Internet */
  readonly proxy: URL | undefined;
}

/** Targets that no relay may reach, and no sensible profile names. */
const hostile = ["https://0.0.0.1/", "https://[::ffff:169.254.1.1]/", "https://user:password@example.com/"];

/** @returns whether the relay refuses what it must, and whom it can reach */
export async function relayFinding({ ask, key, privateHosts, proxy }: RelayCheck): Promise<Finding> {
  const paths = [
    `/~${"x".repeat(key.length)}/mcp_auth?original=https%3A%2F%2Fexample.com`,
    `/~${key}/mcp_relay/eA/eA.eA/token`,
    ...hostile.map((url) => `/~${key}/mcp_auth?original=${encodeURIComponent(url)}`),
  ];
  for (const path of paths) {
    const { status } = await ask(path);
    if (status !== 403)
      return failed(`it answered ${status} where it must refuse`, "this is a defect in codemie: please report it");
  }
  const named = privateHosts.length === 0 ? "" : `, and ${privateHosts.length} that the profile names`;
  if (!proxy) return ok(`leads MCP clients to public servers${named}`);
  return warning(
    `the proxy ${shownProxy(proxy)} looks names up itself, so the relay reaches only hosts that the profile names (${privateHosts.length})`,
    "name the MCP servers and their authorization servers in relayPrivateHosts, or use codemie-mcp-proxy",
  );
}
