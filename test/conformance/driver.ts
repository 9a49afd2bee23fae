/**
 * The client the MCP conformance suite runs: the SDK's client on standard input and output of the compiled bridge, with a
 * browser that follows the authorization address by itself.
 */
import { join } from "node:path";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { Person } from "../support/codemie.ts";
import { connectClient } from "../support/mcp/client.ts";

const url = process.argv.at(-1) ?? "";
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? "";
const context: Record<string, string> = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");

const person = new Person();
const env: Record<string, string> = { CODEMIE_BROWSER: join(import.meta.dir, "../support/mcp/browser.mjs") };
const flags = [url];
if (scenario === "auth/basic-cimd") {
  flags.push("--client-metadata-url", "https://conformance-test.local/client-metadata.json");
}
if (scenario.startsWith("auth/client-credentials")) flags.push("--grant", "client-credentials");
if (context.client_id) flags.push("--client-id", context.client_id);
if (context.client_secret) {
  env.CLIENT_SECRET = context.client_secret;
  flags.push("--client-secret-env", "CLIENT_SECRET");
}
if (context.private_key_pem) {
  env.CLIENT_KEY = context.private_key_pem;
  flags.push("--client-key-env", "CLIENT_KEY");
}
if (context.idp_id_token) {
  env.ID_TOKEN = context.idp_id_token;
  flags.push("--grant", "enterprise", "--id-token-env", "ID_TOKEN");
  flags.push("--idp-token-endpoint", context.idp_token_endpoint ?? "", "--idp-client-id", context.idp_client_id ?? "");
}

const args: Record<string, Record<string, unknown>> = { add_numbers: { a: 5, b: 3 } };
try {
  const { client } = await connectClient(person, flags, {
    env,
    capabilities: { elicitation: { form: { applyDefaults: true } } },
  });
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: {} }));
  const { tools } = await client.listTools();
  for (const { name } of tools) await client.callTool({ name, arguments: args[name] ?? {} });
  await client.close();
} finally {
  console.error(await Bun.file(join(person.codemieHome, "logs/mcp-proxy.log")).text());
  person.remove();
}
