/**
 * What the bridge costs, against `mcp-remote` and against the SDK's client connected directly, in the same run. Prints
 * medians and ratios, keeps the numbers in dist/bench-mcp.json; with UPDATE_DOCS=1 the table in docs/performance.md is
 * written anew. With `directions` as its argument it measures only what carrying one revision of MCP to another costs.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { replaceSection } from "../support/document.ts";
import { initializeParams } from "../support/mcp/bridge.ts";

const root = join(import.meta.dir, "../..");
const home = mkdtempSync(join(tmpdir(), "codemie-bench-"));
const env = { HOME: home, PATH: process.env.PATH ?? "", MCP_REMOTE_CONFIG_DIR: join(home, "remote") };
const rounds = 3;
const starts = 12;
const calls = 500;
const atOnce = 200;
const bigs = 5;
const isWhole = !process.argv.includes("directions");

const server = Bun.spawn([process.execPath, join(import.meta.dir, "mcp-server.ts")], { stdout: "pipe" });
const { value } = await server.stdout.getReader().read();
const url = `http://127.0.0.1:${new TextDecoder().decode(value).trim()}/mcp`;

const peers: Record<string, string[]> = {
  codemie: [join(root, "dist/codemie-mcp-proxy"), url],
  "mcp-remote": ["node", join(root, "test/mcp/node_modules/mcp-remote/dist/proxy.js"), url, "--transport", "http-only"],
};

type Measures = Record<string, number[]>;
const times: Record<string, Measures> = {};
const add = (peer: string, measure: string, ...values: number[]) => {
  times[peer] ??= {};
  times[peer][measure] = [...(times[peer][measure] ?? []), ...values];
};

/** What each request of a client of MCP 2026-07-28 says. */
const modernMeta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** A bridge spoken to in lines: as little of its own as can be. */
class Lines {
  readonly child: Bun.Subprocess<"pipe", "pipe", "ignore">;
  readonly #waiting = new Map<number, () => void>();
  #id = 0;

  constructor(command: string[]) {
    this.child = Bun.spawn(command, { env, stdio: ["pipe", "pipe", "ignore"] });
    void this.#read();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let parts: string[] = [];
    for await (const chunk of this.child.stdout) {
      const lines = decoder.decode(chunk, { stream: true }).split("\n");
      for (const [i, line] of lines.entries()) {
        parts.push(line);
        if (i === lines.length - 1) break;
        const text = parts.join("");
        parts = [];
        // The id stands at one of the ends; a text of 5 MB is not parsed here.
        const id = Number(/"id":(\d+)/.exec(text.slice(0, 60) + text.slice(-60))?.[1]);
        this.#waiting.get(id)?.();
        this.#waiting.delete(id);
      }
    }
  }

  /** @param isModern true: as a client of MCP 2026-07-28 */
  async call(method: string, given: object, isModern = false): Promise<void> {
    const params = isModern ? { ...given, _meta: modernMeta } : given;
    const id = ++this.#id;
    const answered = new Promise<void>((resolve) => this.#waiting.set(id, resolve));
    this.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    this.child.stdin.flush();
    await answered;
  }

  async initialize(): Promise<void> {
    await this.call("initialize", initializeParams);
    this.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`);
    this.child.stdin.flush();
  }

  async end(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }
}

/** resident memory, MB */
const memoryOf = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

/** CPU time used so far, ms */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10; // in ticks of 10 ms
}

async function load(peer: string, call: (name: string) => Promise<unknown>, pid?: number): Promise<void> {
  for (let i = 0; i < 50; i++) await call("small");
  const cpu = pid ? cpuOf(pid) : 0;
  for (let i = 0; i < calls; i++) {
    const start = performance.now();
    await call("small");
    add(peer, "call", performance.now() - start);
  }
  if (pid) add(peer, "cpu", (cpuOf(pid) - cpu) / calls);
  let start = performance.now();
  await Promise.all(Array.from({ length: atOnce }, () => call("small")));
  add(peer, "at once", performance.now() - start);
  for (let i = 0; i < bigs; i++) {
    start = performance.now();
    await call("big");
    add(peer, "big", performance.now() - start);
  }
}

async function measurePeers(): Promise<void> {
  for (let i = -1; i < starts; i++) {
    for (const [peer, command] of Object.entries(peers)) {
      const start = performance.now();
      const bridge = new Lines(command);
      await bridge.initialize();
      if (i >= 0) add(peer, "start", performance.now() - start);
      await bridge.end();
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [peer, command] of Object.entries(peers)) {
      const bridge = new Lines(command);
      await bridge.initialize();
      await Bun.sleep(1_000);
      add(peer, "idle memory", memoryOf(bridge.child.pid));
      for (let i = 0; i < 1_000; i++) await bridge.call("tools/call", { name: "small" });
      add(peer, "memory", memoryOf(bridge.child.pid));
      await load(peer, (name) => bridge.call("tools/call", { name }), bridge.child.pid);
      await bridge.end();
    }
    const start = performance.now();
    const client = new Client({ name: "bench", version: "1.0.0" });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    add("direct", "start", performance.now() - start);
    await load("direct", (name) => client.callTool({ name, arguments: {} }));
    await client.close();
  }
}

if (isWhole) await measurePeers();

/** From a client to a server of either era; all take turns, so that a slow moment of the machine hits all alike. */
const directions = [
  { name: "both open a session", isModern: false, at: url },
  { name: "neither does (2026-07-28)", isModern: true, at: new URL("/modern", url).href },
  { name: "the client alone does", isModern: false, at: new URL("/modern", url).href },
  { name: "the server alone does", isModern: true, at: url },
];
const opened = await Promise.all(
  directions.map(async ({ name, isModern, at }) => {
    const bridge = new Lines([join(root, "dist/codemie-mcp-proxy"), at]);
    if (isModern) await bridge.call("server/discover", {}, true);
    else await bridge.initialize();
    return { name, isModern, bridge };
  }),
);
for (let i = -50; i < calls * rounds; i++) {
  for (const { name, isModern, bridge } of opened) {
    const start = performance.now();
    await bridge.call("tools/call", { name: "small" }, isModern);
    if (i >= 0) add(name, "call", performance.now() - start);
  }
}
await Promise.all(opened.map(({ bridge }) => bridge.end()));
server.kill();
rmSync(home, { recursive: true, force: true });

const quantile = (values: number[] = [], q = 0.5) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? Number.NaN;
const measures: [string, string, number, string, number?][] = [
  ["start to `initialize` answer", "start", 0.5, "ms", 0.12],
  [`call, p50 of ${calls * rounds}`, "call", 0.5, "ms", 0.45],
  ["call, p95", "call", 0.95, "ms"],
  [`${atOnce} calls side by side`, "at once", 0.5, "ms"],
  ["a result of 5 MB", "big", 0.5, "ms", 0.5],
  ["CPU per call", "cpu", 0.5, "ms", 0.25],
  ["memory, idle", "idle memory", 0.5, "MB", 0.55],
  ["memory after 1,000 calls", "memory", 0.5, "MB"],
];
let missed = 0;
const result = measures.map(([name, measure, q, unit, goal]) => {
  const of = (peer: string) => quantile(times[peer]?.[measure], q);
  const ratio = of("codemie") / of("mcp-remote");
  if (isWhole && goal !== undefined && ratio > goal) missed++;
  return { name, unit, codemie: of("codemie"), remote: of("mcp-remote"), direct: of("direct"), ratio, goal };
});
const shown = (n: number, unit: string) => (Number.isNaN(n) ? "" : `${n < 10 ? n.toFixed(2) : n.toFixed(0)} ${unit}`);
const rows = result.map(
  ({ name, unit, codemie, remote, direct, ratio, goal }) =>
    `| ${name} | ${shown(codemie, unit)} | ${shown(remote, unit)} | ${shown(direct, unit)} | ${ratio.toFixed(2)} | ${goal ?? ""} |`,
);
const table = [
  "| | codemie-mcp-proxy | mcp-remote | SDK client, direct | ratio to mcp-remote | goal |",
  "|---|---|---|---|---|---|",
  ...rows,
].join("\n");
/** A translated call costs at most this many times one that passes, at the median. */
const directionGoal = 1.3;
const passed = quantile(times[directions[0]?.name ?? ""]?.call);
const directionRows = directions.map(({ name }) => {
  const median = quantile(times[name]?.call);
  if (median / passed > directionGoal) missed++;
  return `| ${name} | ${shown(median, "ms")} | ${(median / passed).toFixed(2)} | ${directionGoal} |`;
});
const directionTable = [
  `| client and server | call, p50 of ${calls * rounds} | ratio to the first | goal |`,
  "|---|---|---|---|",
  ...directionRows,
].join("\n");
console.log(directionTable);
if (isWhole) console.log(table);
console.log(`\n${missed === 0 ? "every goal is met" : `${missed} goals are missed`}`);
const directionsResult = directions.map(({ name }) => ({ name, p50: quantile(times[name]?.call) }));
await Bun.write(
  join(root, "dist/bench-mcp.json"),
  JSON.stringify({ rounds, starts, calls, result: isWhole ? result : [], directions: directionsResult }, null, 2),
);
if (process.env.UPDATE_DOCS) {
  if (isWhole) await replaceSection("docs/performance.md", "bench-mcp", table);
  await replaceSection("docs/performance.md", "bench-mcp-directions", directionTable);
}
