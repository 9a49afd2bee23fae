import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { codemieMcpProxy, type Person } from "../codemie.ts";
import type { BridgeOptions, Rpc } from "./bridge.ts";

/** The SDK's client on the standard input and output of the compiled bridge. */
export async function connectClient(
  person: Person,
  args: readonly string[],
  options: BridgeOptions & { capabilities?: Rpc } = {},
): Promise<{ client: Client; transport: StdioClientTransport; err: () => string }> {
  const transport = new StdioClientTransport({
    command: codemieMcpProxy,
    args: [...args],
    cwd: person.cwd,
    env: { ...person.env, ...options.env },
    stderr: "pipe",
  });
  let err = "";
  transport.stderr?.on("data", (chunk) => {
    err += chunk;
  });
  const client = new Client({ name: "test", version: "1.0.0" }, { capabilities: options.capabilities ?? {} });
  await client.connect(transport);
  return { client, transport, err: () => err };
}
