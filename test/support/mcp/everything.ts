import { createServer } from "node:net";
import { join } from "node:path";

const program = join(import.meta.dir, "../../mcp/node_modules/@modelcontextprotocol/server-everything/dist/index.js");

/** The MCP project's own test server, as a process that can be killed and started again at the same address. */
export interface Everything {
  readonly url: string;
  readonly port: number;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** @returns a port that is free now */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

export async function startEverything(kind: "streamableHttp" | "sse"): Promise<Everything> {
  const port = await freePort();
  let child: Bun.Subprocess | undefined;
  const everything: Everything = {
    url: `http://127.0.0.1:${port}/${kind === "sse" ? "sse" : "mcp"}`,
    port,
    async start() {
      const started = Bun.spawn(["node", program, kind], {
        env: { PATH: process.env.PATH ?? "", PORT: String(port) },
        stdio: ["ignore", "ignore", "pipe"],
      });
      child = started;
      const decoder = new TextDecoder();
      let said = "";
      const reader = started.stderr.getReader();
      while (!/port/.test(said)) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`server-everything did not start: ${said}`);
        said += decoder.decode(value, { stream: true });
      }
      void (async () => {
        while (!(await reader.read()).done);
      })();
    },
    async kill() {
      child?.kill("SIGKILL");
      await child?.exited;
    },
  };
  await everything.start();
  return everything;
}
