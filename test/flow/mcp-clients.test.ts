import { afterAll, expect, test } from "bun:test";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { Person } from "../support/codemie.ts";
import { RawBridge, type Rpc } from "../support/mcp/bridge.ts";
import { connectClient } from "../support/mcp/client.ts";
import { startEverything } from "../support/mcp/everything.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** The SDK's client, the compiled bridge, and the MCP project's own test server, over both transports. */

for (const [kind, transport] of cases(
  [
    ["streamableHttp", "auto"],
    ["streamableHttp", "http"],
    ["sse", "auto"],
    ["sse", "sse"],
  ] as const,
  1,
)) {
  test(`${kind} with --transport ${transport}: tools, prompts, resources, progress, and the server's own requests`, async () => {
    const server = await startEverything(kind);
    const person = new Person();
    const { client } = await connectClient(person, [server.url, "--transport", transport], {
      capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } },
    });
    const asked: string[] = [];
    client.setRequestHandler(CreateMessageRequestSchema, () => {
      asked.push("sampling");
      return {
        model: "m",
        role: "assistant" as const,
        content: { type: "text" as const, text: "sampled by the client" },
      };
    });
    client.setRequestHandler(ElicitRequestSchema, () => {
      asked.push("elicitation");
      return { action: "accept" as const, content: { name: "Ada" } };
    });
    client.setRequestHandler(ListRootsRequestSchema, () => {
      asked.push("roots");
      return { roots: [{ uri: "file:///tmp/a", name: "a" }] };
    });
    const logged = new Promise<Rpc>((resolve) =>
      client.setNotificationHandler(LoggingMessageNotificationSchema, (note) => void resolve(note.params)),
    );

    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain("echo");
    expect((await client.listPrompts()).prompts.length).toBeGreaterThan(0);
    expect((await client.listResources()).resources.length).toBeGreaterThan(0);

    const progress: number[] = [];
    await client.callTool(
      { name: "trigger-long-running-operation", arguments: { duration: 0.5, steps: 5 } },
      undefined,
      { onprogress: (step) => void progress.push(step.progress) },
    );
    // The last one comes together with the result, when the SDK's client no longer listens for it.
    expect(progress.slice(0, 4)).toEqual([1, 2, 3, 4]);

    const text = async (name: string, args: Rpc) =>
      JSON.stringify((await client.callTool({ name, arguments: args })).content);
    expect(await text("trigger-sampling-request", { prompt: "hello", maxTokens: 10 })).toContain(
      "sampled by the client",
    );
    expect(await text("trigger-elicitation-request", {})).toContain("Ada");
    expect(await text("get-roots-list", {})).toContain("file:///tmp/a");
    expect(asked).toContain("sampling");
    expect(asked).toContain("elicitation");
    expect(asked).toContain("roots");

    await client.setLoggingLevel("debug");
    await client.callTool({ name: "toggle-simulated-logging", arguments: {} });
    expect(await logged).toHaveProperty("level");
    await client.close();
    await server.kill();
    person.remove();
  });
}

const server = await startEverything("streamableHttp");
afterAll(() => server.kill());

ciTest("200 calls at once are all answered, each with its own result", async () => {
  const person = new Person();
  const { client } = await connectClient(person, [server.url]);
  const results = await Promise.all(
    Array.from({ length: 200 }, (_, i) => client.callTool({ name: "echo", arguments: { message: `call ${i}` } })),
  );
  for (const [i, { content }] of results.entries()) {
    expect(content).toEqual([{ type: "text", text: `Echo: call ${i}` }]);
  }
  await client.close();
  person.remove();
});

for (const kind of cases(["streamableHttp", "sse"] as const, 1)) {
  test(`${kind}: the server is killed and started again under load; every call is answered, and calls work again`, async () => {
    const own = await startEverything(kind);
    const person = new Person();
    const bridge = new RawBridge(person, [own.url]);
    await bridge.initialize();
    const call = (id: number) =>
      bridge.send({
        jsonrpc: "2.0",
        id,
        method: "tools/call",
        params: { name: "echo", arguments: { message: `${id}` } },
      });
    const long = { duration: 30, steps: 1 };
    for (let id = 1000; id < 1010; id++) {
      bridge.send({
        jsonrpc: "2.0",
        id,
        method: "tools/call",
        params: { name: "trigger-long-running-operation", arguments: long },
      });
    }
    for (let id = 100; id < 300; id++) call(id);
    await bridge.answer(100);
    await own.kill();
    for (let id = 300; id < 340; id++) call(id);
    await bridge.answer(339);
    await own.start();
    for (let id = 340; id < 400; id++) call(id);
    const ids = [...Array.from({ length: 300 }, (_, i) => 100 + i), ...Array.from({ length: 10 }, (_, i) => 1000 + i)];
    const answers = await Promise.all(ids.map((id) => bridge.answer(id)));
    expect(answers.length).toBe(310);
    for (const answer of answers) expect("result" in answer || "error" in answer).toBe(true);
    for (const id of [350, 399]) {
      expect((await bridge.answer(id)).result.content).toEqual([{ type: "text", text: `Echo: ${id}` }]);
    }
    // Nothing is answered twice.
    const answered = bridge.messages().flatMap((message: Rpc) => (message.method ? [] : [message.id]));
    expect(new Set(answered).size).toBe(answered.length);
    await bridge.end();
    await own.kill();
    person.remove();
  });
}
