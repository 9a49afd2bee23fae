import type { Output } from "./output.ts";

/** @returns the bridge's help */
export function mcpHelp(output: Output): string {
  const bold = (text: string) => output.paint("bold", text);
  return `Connect a client that starts its MCP servers as programs to a server on the network

${bold("Usage")}
  codemie-mcp-proxy URL [flags]

${bold("Flags")}
      --header 'NAME: VALUE'    send this header to the server; \${VARIABLE} in it is filled in (repeatable)
      --transport KIND          auto (default), http (Streamable HTTP) or sse (the older HTTP+SSE)
      --allow-http              allow plain http: to another machine
      --timeout SECONDS         longest wait without a byte from the server, 0 for ever (default 600)
  -h, --help                    this help

It speaks MCP on standard input and output. Its log is logs/mcp-proxy.log; MCP_PROXY_DEBUG=true says more.

${bold("Examples")}
  codemie-mcp-proxy https://mcp.example.com/mcp
  codemie-mcp-proxy https://mcp.example.com/sse --transport sse
  codemie-mcp-proxy https://mcp.example.com/mcp --header 'X-Api-Key: \${MCP_KEY}'
`;
}
