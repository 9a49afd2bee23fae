import { expect, test } from "bun:test";
import { withExtensionOf } from "../../src/mcp/extensions.ts";

/** The extension of MCP by which the bridge gets access, named among what the client can do. */

const name = "io.modelcontextprotocol/oauth-client-credentials";
const capabilities = "io.modelcontextprotocol/clientCapabilities";
const declared = withExtensionOf("client-credentials") ?? ((text: string) => text);

test("an initialize and each request of MCP 2026-07-28 name it; everything else stays byte for byte", () => {
  const opening =
    '{"jsonrpc":"2.0","id":12345678901234567890,"method":"initialize","params":{"capabilities":{"roots":{}}}}';
  expect(declared(opening)).toBe(opening.replace('{"roots":{}}', `{"roots":{},"extensions":{"${name}":{}}}`));
  const request = (all: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"${capabilities}":${all}},"name":"initialize"}}`;
  expect(declared(request('{"extensions":{"own":1}}'))).toBe(request(`{"extensions":{"own":1,"${name}":{}}}`));
  expect(declared(request(`{"extensions":{"${name}":{"a":1}}}`))).toBe(request(`{"extensions":{"${name}":{"a":1}}}`));
  for (const other of [
    '{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{"name":"initialize"}}',
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    `{"jsonrpc":"2.0","id":1,"result":{"text":"${capabilities}"}}`,
    "[]",
  ])
    expect(declared(other)).toBe(other);
  expect(withExtensionOf("authorization-code")).toBeUndefined();
  expect(withExtensionOf("jwt-bearer")).toBeUndefined();
});
