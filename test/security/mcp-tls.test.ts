import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { certificateFor } from "../support/corporate.ts";
import { RawBridge } from "../support/mcp/bridge.ts";
import { initializeResult } from "../support/mcp/scripted.ts";

/** Threat: somebody between the bridge and the MCP server shows another certificate. */

test("a certificate nobody vouches for is refused, whatever the environment says; an authority the user names is believed", async () => {
  const pair = await certificateFor("127.0.0.1");
  let requests = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: pair.cert, key: pair.private },
    fetch: async (request) => {
      requests++;
      if (request.method !== "POST") return new Response(null, { status: 405 });
      const { id } = (await request.json()) as { id?: number };
      return Response.json({ jsonrpc: "2.0", id, result: initializeResult });
    },
  });
  const url = `https://127.0.0.1:${server.port}/mcp`;
  const person = new Person();
  for (const env of [{}, { NODE_TLS_REJECT_UNAUTHORIZED: "0" }] as Record<string, string>[]) {
    const bridge = new RawBridge(person, [url], { env });
    const { error } = await bridge.initialize();
    expect(error.data.code).toBe("tls");
    expect(error.message).toMatch(/certificate.*_CA_CERTS/);
    await bridge.end();
  }
  expect(requests).toBe(0);
  const file = `${person.root}/ca.pem`;
  await Bun.write(file, pair.cert);
  const bridge = new RawBridge(person, [url], { env: { NODE_EXTRA_CA_CERTS: file } });
  expect((await bridge.initialize()).result).toBeDefined();
  await bridge.end();
  await server.stop(true);
  person.remove();
});
