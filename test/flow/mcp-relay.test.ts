import { afterAll, expect, test } from "bun:test";
import { type Protected, startProtected } from "../support/mcp/protected.ts";
import { connect, startRelay } from "../support/relay.ts";

/** An MCP client reaches a server, and its authorization server, through the gateway. */

const relay = await startRelay();
const hosts: Protected[] = [];
afterAll(async () => {
  for (const host of hosts) await host.close();
  await relay[Symbol.asyncDispose]();
});

async function protectedHost(...settings: Parameters<typeof startProtected>): Promise<Protected> {
  const host = await startProtected(...settings);
  hosts.push(host);
  return host;
}

test("proxy start --json gives the address of the relay, whose key is its own", () => {
  const { url, key } = relay.started;
  expect(relay.started.relay).toBe(`${url}/~${relay.key}/mcp_auth?original=`);
  expect(Buffer.from(relay.key, "base64url")).toHaveLength(32);
  expect(relay.key).not.toBe(key);
});

test("the SDK's client authorizes and works; every address that it is told leads through the gateway", async () => {
  const host = await protectedHost();
  const { client, memory } = await connect(relay.entry(host.url));
  expect((await client.request({ method: "x" } as never, { parse: (x: unknown) => x } as never)) as unknown).toEqual({ scope: "" });
  await client.close();
  expect(memory.cameBack?.led[0]).toStartWith(`${relay.started.url}/~${relay.key}/mcp_relay/`);
  expect(memory.cameBack?.led[1]).toStartWith(`${host.issuer}/authorize?`);
  const names = [...host.calls("/authorize").map(({ query }) => query.get("resource")), ...host.calls("/token").map(({ body }) => new URLSearchParams(body).get("resource"))];
  expect(names).toEqual([host.url, host.url]);
  expect(JSON.parse(host.calls("/register")[0]?.body ?? "").client_name).toBe("CodeMie CLI");
});
