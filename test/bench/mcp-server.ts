/**
 * The server of the MCP benchmark: answers at once, as an event stream like the reference implementation, so that what is
 * measured is the bridge. Prints its port.
 */
const big = "x".repeat(5_000_000);

const mcpServer = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    if (request.method === "GET") return new Response(null, { status: 405 });
    if (request.method === "DELETE") return new Response(null);
    const { id, method, params } = (await request.json()) as {
      id?: number;
      method: string;
      params?: { name?: string; _meta?: Record<string, unknown> };
    };
    // At /modern there is a server of MCP 2026-07-28 alone, at every other path one of 2025-11-25.
    const isModern = new URL(request.url).pathname === "/modern";
    const isVersioned = params?._meta?.["io.modelcontextprotocol/protocolVersion"] !== undefined;
    if (isModern !== isVersioned && id !== undefined) {
      const error = isModern
        ? { code: -32022, message: "Unsupported protocol version", data: { supported: ["2026-07-28"] } }
        : { code: -32000, message: "Bad Request" };
      return Response.json({ jsonrpc: "2.0", id, error }, { status: 400 });
    }
    if (id === undefined) return new Response(null, { status: 202 });
    const headers = { "content-type": "text/event-stream", ...(isModern ? {} : { "mcp-session-id": "bench" }) };
    const answer = (own: object) => {
      const result = isModern ? { resultType: "complete", ...own } : own;
      return new Response(`event: message\ndata: ${JSON.stringify({ result, jsonrpc: "2.0", id })}\n\n`, { headers });
    };
    if (method === "server/discover") {
      return answer({ supportedVersions: ["2026-07-28"], capabilities: { tools: {} }, ttlMs: 0, cacheScope: "public" });
    }
    if (method === "initialize") {
      const serverInfo = { name: "bench", version: "1.0.0" };
      return answer({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo });
    }
    const text = params?.name === "big" ? big : "small";
    return answer({ content: [{ type: "text", text }] });
  },
});
console.log(mcpServer.port);
