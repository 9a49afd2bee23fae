import { describe, expect, onTestFinished, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import {
  connectNewClient,
  connectOldClient,
  type Era,
  type EraClient,
  type EraServer,
  startNewServer,
  startOldServer,
} from "../support/mcp/eras.ts";
import { startEverything } from "../support/mcp/everything.ts";
import { cases, ciTest } from "../support/tiers.ts";

/**
 * Every combination of a client and a server that open a session (MCP 2025-11-25) and that do not (2026-07-28): official SDKs on both
 * sides, and the compiled bridge between them.
 */

const directions: readonly (readonly [client: Era, server: Era])[] = [
  ["old", "new"],
  ["new", "old"],
  ["new", "new"],
  ["old", "old"],
];

for (const [clientEra, serverEra] of cases(directions)) {
  describe(`${clientEra} client, ${serverEra} server`, () => {
    let server: EraServer;
    const start = async (capabilities?: unknown, ...flags: string[]): Promise<EraClient> => {
      const person = new Person();
      server = serverEra === "old" ? await startOldServer() : await startNewServer();
      const connect = clientEra === "old" ? connectOldClient : connectNewClient;
      const client = await connect(person, [server.url, ...flags], capabilities);
      onTestFinished(async () => {
        await client.close();
        await server.close();
        person.remove();
      });
      return client;
    };

    test("tools, prompts, resources, and errors", async () => {
      const { client, call } = await start();
      const { tools } = await client.listTools();
      expect(tools.map(({ name }: { name: string }) => name)).toContain("echo");
      // A header that nobody can send would break every call of that tool.
      expect(tools.some(({ name }: { name: string }) => name === "misnamed")).toBe(serverEra === "old");
      expect(await call("echo", { n: 1, text: "ünïcødé" })).toBe('{"n":1,"text":"ünïcødé"}');
      expect((await client.listPrompts()).prompts[0].name).toBe("greet");
      const prompt = await client.getPrompt({ name: "greet", arguments: { who: "Ada" } });
      expect(prompt.messages[0].content.text).toBe("Hello Ada");
      expect((await client.listResources()).resources[0].uri).toBe("test://one");
      expect((await client.readResource({ uri: "test://one" })).contents[0].text).toBe("one");
      const missing = await client.readResource({ uri: "test://two" }).catch((error: unknown) => error);
      expect(missing).toHaveProperty("code", clientEra === "old" ? -32002 : -32602);
      expect(await call("fail").catch((error: Error) => error.message)).toContain("it fails");
    });

    test("an argument that the server wants in a header is there, line ends and all", async () => {
      const { client, call } = await start();
      await client.listTools();
      for (const region of ["eu-west", "a\r\nX-Evil: 1", "Zürich"]) {
        expect(JSON.parse(await call("region", { region }))).toEqual({ region });
      }
      const post = server.posts.filter(({ method }) => method === "tools/call").at(-1);
      expect(post?.headers["mcp-param-region"]).toBe(serverEra === "new" ? "=?base64?WsO8cmljaA==?=" : undefined);
      expect(post?.headers["x-evil"]).toBeUndefined();
    });

    test("progress reaches the request that wants it", async () => {
      const { call } = await start();
      const steps: number[] = [];
      const onprogress = ({ progress }: { progress: number }) => {
        steps.push(progress);
        if (progress === 3) server.goOn();
      };
      expect(await call("progress", {}, { onprogress })).toBe("done");
      expect(steps).toEqual([1, 2, 3]);
    });

    test("a cancelled call ends at the server", async () => {
      const { call } = await start();
      const own = new AbortController();
      const called = call("wait", {}, { signal: own.signal }).catch(() => "cancelled");
      while (!server.seen.includes("waiting")) await Bun.sleep(5);
      own.abort();
      expect(await called).toBe("cancelled");
      while (!server.seen.includes("cancelled")) await Bun.sleep(5);
    });

    test("what the server asks the client in mid-call: elicitation, sampling, roots, and two questions in a row", async () => {
      const { call } = await start();
      expect(await call("elicit")).toContain("Ada");
      expect(await call("sample")).toContain("sampled");
      expect(await call("roots")).toContain("file:///tmp/a");
      expect(await call("two")).toBe('["accept","accept"]');
    });

    test("a server that asks for what the client does not have gets no answer, and the client an error or its words", async () => {
      const { call } = await start({ roots: {} });
      const words = await call("elicit").catch((error: Error) => error.message);
      expect(words).not.toContain("Ada");
      expect(await call("echo", {})).toBe("{}");
    });

    test("log messages come where they are wanted", async () => {
      const own = await start();
      const logged = own.next("notifications/message");
      await own.callWithLog("log");
      expect(await logged).toMatchObject({ params: { level: "warning", data: "words" } });
    });

    ciTest("--timeout ends a call that is silent, and no stream of changes, which may be silent for ever", async () => {
      // Long enough for everything else on a busy machine.
      const own = await start(undefined, "--timeout", "5");
      await own.follow();
      const streams = () => server.posts.filter(({ method }) => method === "subscriptions/listen").length;
      const before = streams();
      const words = await own.call("wait").catch((error: Error) => error.message);
      expect(words).toContain("sent nothing for 5 s");
      const updated = own.next("notifications/resources/updated");
      server.resourceChanged();
      await updated;
      expect(streams()).toBe(before);
    });

    test("changes of the tools and of a resource", async () => {
      const own = await start();
      await own.follow();
      const tools = own.next("notifications/tools/list_changed");
      const updated = own.next("notifications/resources/updated");
      // A stream that the bridge opens by itself may not be there yet: tell until it is heard.
      const telling = setInterval(() => {
        server.toolsChanged();
        server.resourceChanged();
      }, 50);
      await tools;
      expect(await updated).toMatchObject({ params: { uri: "test://one" } });
      clearInterval(telling);
    });
  });
}

for (const kind of ["sse", "streamableHttp"] as const) {
  ciTest(`a client without a session and the MCP project's own test server over ${kind}`, async () => {
    const server = await startEverything(kind);
    const person = new Person();
    const { client, call, close } = await connectNewClient(person, [server.url], undefined, "auto");
    expect((await client.listTools()).tools.length).toBeGreaterThan(5);
    expect(await call("echo", { message: "hello" })).toBe("Echo: hello");
    const sampled = await client.callTool({
      name: "trigger-sampling-request",
      arguments: { prompt: "x", maxTokens: 9 },
    });
    expect(JSON.stringify(sampled)).toContain("sampled");
    expect(JSON.stringify(await client.callTool({ name: "trigger-elicitation-request", arguments: {} }))).toContain(
      "Ada",
    );
    await close();
    await server.kill();
    person.remove();
  });
}
