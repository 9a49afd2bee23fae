/**
 * The SDK's client over HTTP, for the MCP conformance suite: at the server itself, or, where `CONFORMANCE_RELAY` is what goes before
 * a server's address, through the relay of a gateway. Its browser follows the authorization address by itself.
 */

import { type OAuthClientProvider, UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import {
  ClientCredentialsProvider,
  createPrivateKeyJwtAuth,
} from "@modelcontextprotocol/sdk/client/auth-extensions.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { Memory } from "../support/relay.ts";

const server = process.argv.at(-1) ?? "";
const relay = process.env.CONFORMANCE_RELAY ?? "";
const url = new URL(relay ? relay + encodeURIComponent(server) : server);
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? "";
const context: Record<string, string> = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");

/** An assertion is signed for the authorization server's own name, which no relay can put in. */
async function audience(): Promise<string> {
  const { origin, pathname } = new URL(server);
  const answer = await fetch(`${origin}/.well-known/oauth-protected-resource${pathname}`);
  const { authorization_servers: [issuer = ""] = [] } = (await answer.json()) as { authorization_servers?: string[] };
  return issuer;
}

async function provider(): Promise<OAuthClientProvider> {
  const { client_id: clientId = "", client_secret: clientSecret = "", private_key_pem: privateKey } = context;
  if (scenario.startsWith("auth/client-credentials")) {
    const machine = new ClientCredentialsProvider({ clientId, clientSecret: clientSecret || "none" });
    if (!privateKey) return machine;
    const alg = context.signing_algorithm ?? "ES256";
    const proof = { issuer: clientId, subject: clientId, privateKey, alg, audience: await audience() };
    return Object.assign(machine, { addClientAuthentication: createPrivateKeyJwtAuth(proof) });
  }
  const memory = new Memory();
  if (scenario === "auth/basic-cimd") memory.clientMetadataUrl = "https://conformance-test.local/client-metadata.json";
  if (clientId) {
    const { redirect_uris } = memory.clientMetadata;
    memory.information = {
      client_id: clientId,
      redirect_uris,
      ...(clientSecret ? { client_secret: clientSecret } : {}),
    };
  }
  return memory;
}

const args: Record<string, Record<string, unknown>> = { add_numbers: { a: 5, b: 3 } };
const authProvider = await provider();

async function open(): Promise<{ client: Client; transport: StreamableHTTPClientTransport }> {
  for (let tries = 0; ; tries++) {
    const transport = new StreamableHTTPClientTransport(url, { authProvider });
    const capabilities = { elicitation: { form: { applyDefaults: true } } };
    const client = new Client({ name: "test", version: "1.0.0" }, { capabilities });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: {} }));
    try {
      await client.connect(transport);
      return { client, transport };
    } catch (error) {
      await authorize(transport, error, tries);
    }
  }
}

async function authorize(transport: StreamableHTTPClientTransport, error: unknown, tries: number): Promise<void> {
  if (!(error instanceof UnauthorizedError) || !(authProvider instanceof Memory) || tries > 3) throw error;
  await transport.finishAuth(authProvider.cameBack?.code ?? "");
}

const { client, transport } = await open();
/** Asks again after the server demanded more. */
async function retried<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      await authorize(transport, error, tries);
    }
  }
}
const { tools } = await retried(() => client.listTools());
for (const { name } of tools) await retried(() => client.callTool({ name, arguments: args[name] ?? {} }));
await client.close();
