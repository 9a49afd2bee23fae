import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTls } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";
import { startRelay } from "./relay.ts";

/**
 * An Internet of its own, in a network namespace: every address of IPv4 and IPv6 leads to this machine, so that a connection to
 * any address is seen, and names are what a test says. A gateway with a relay runs in it. The servers answer as {@link site}.
 */
export interface Plan {
  /** addresses of each name, by turn of asking; the last turn stays */
  readonly names: Readonly<Record<string, readonly (readonly string[])[]>>;
  readonly privateHosts?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** what is asked, one after the other; each is the path and query behind the gateway's address, or the address of an MCP server */
  readonly asks: readonly Ask[];
}

export interface Ask {
  /** an MCP server's address, in the relay's entry */
  readonly entry?: string;
  /** the path and query behind the gateway's address; `KEY` stands for the relay's key */
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** where connections arrived meanwhile, as `address:port` */
  readonly connected: readonly string[];
  /** names that were looked up meanwhile */
  readonly looked: readonly string[];
}

export interface World {
  readonly answers: readonly Answered[];
  readonly relay: string;
  readonly url: string;
  readonly key: string;
  /** what the gateway wrote down */
  readonly audit: string;
}

/** Runs a plan in a namespace of its own. */
export async function runWorld(plan: Plan): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "codemie-world-"));
  const script = `ip link set lo up
    ip route add local 0.0.0.0/0 dev lo; ip -6 route add local ::/0 dev lo
    printf 'nameserver 127.0.0.1\\noptions timeout:2 attempts:1\\n' > ${folder}/resolv.conf
    mount --bind ${folder}/resolv.conf /etc/resolv.conf
    exec "$0" --max-http-header-size=262144 "$1"`;
  const child = Bun.spawn(["unshare", "-rmn", "sh", "-c", script, process.execPath, import.meta.path], {
    stdin: new Blob([JSON.stringify(plan)]),
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env, WORLD: folder },
  });
  const text = await child.stdout.text();
  rmSync(folder, { recursive: true, force: true });
  return JSON.parse(text.slice(text.lastIndexOf("\n{") + 1));
}

/** What every web server of the world answers, by path; the name in `Host` is the server's. */
function site(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", `https://${request.headers.host}`);
  const json = (status: number, value: unknown, headers: Record<string, string> = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(value));
  };
  const metadata = `${url.origin}/.well-known/oauth-protected-resource/mcp`;
  if (url.pathname === "/to") {
    response.writeHead(302, { location: url.searchParams.get("to") ?? "" });
    response.end();
  } else if (url.pathname === new URL(metadata).pathname) {
    const servers = [url.searchParams.get("as") ?? "https://login.example.com"];
    json(200, { resource: `${url.origin}/mcp`, authorization_servers: servers });
  } else if (url.pathname.startsWith("/.well-known/")) json(404, {});
  else if (url.pathname === "/mcp" && request.headers.authorization === undefined) {
    json(401, {}, { "www-authenticate": `Bearer resource_metadata="${metadata}"` });
  } else json(200, { host: request.headers.host, path: request.url, headers: request.headers });
}

async function main(): Promise<void> {
  const plan: Plan = JSON.parse(await Bun.stdin.text());
  const folder = process.env.WORLD ?? tmpdir();
  const [connected, looked]: [string[], string[]] = [[], []];
  const turns = new Map<string, number>();

  const dns = createSocket("udp4");
  dns.on("message", (question, from) => {
    const { name, type, end } = nameIn(question);
    looked.push(name);
    const all = plan.names[name];
    const turn = turns.get(`${name} ${type}`) ?? 0;
    turns.set(`${name} ${type}`, turn + 1);
    const found = (all?.[Math.min(turn, all.length - 1)] ?? []).filter((one) => one.includes(":") === (type === 28));
    dns.send(answerTo(question, end, all ? 0 : 3, type === 1 || type === 28 ? found : []), from.port, from.address);
  });
  await new Promise<void>((resolve) => dns.bind(53, "127.0.0.1", resolve));

  const names = Object.keys(plan.names);
  const pair = await generate([{ name: "commonName", value: "mcp.example.com" }], {
    algorithm: "sha256",
    keyType: "ec",
    extensions: [{ name: "subjectAltName", altNames: names.map((value) => ({ type: 2 as const, value })) }],
  });
  await Bun.write(join(folder, "ca.pem"), pair.cert);
  const secure = createTls({ key: pair.private, cert: pair.cert }, site);
  const plain = createHttp(site);
  for (const [server, port] of [
    [secure, 443],
    [plain, 80],
  ] as const) {
    server.on("connection", ({ localAddress, localPort }) =>
      connected.push(`${localAddress?.replace("::ffff:", "")}:${localPort}`),
    );
    await new Promise<void>((resolve) => server.listen(port, "::", resolve));
  }

  await using relay = await startRelay(plan.privateHosts ?? [], {
    env: { CODEMIE_CA_CERTS: join(folder, "ca.pem"), ...plan.env },
  });
  const answers: Answered[] = [];
  for (const { entry, path, method = "GET", headers = {}, body } of plan.asks) {
    const [before, asked] = [connected.length, looked.length];
    const address =
      entry === undefined ? relay.started.url + (path ?? "").replace("KEY", relay.key) : relay.entry(entry);
    const answer = await fetch(address, {
      method,
      headers,
      redirect: "manual",
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.text();
    answers.push({
      status: answer.status,
      headers: answer.headers.toJSON() as Record<string, string>,
      text,
      connected: connected.slice(before),
      looked: looked.slice(asked),
    });
  }
  // At its end the gateway writes what it still has to tell.
  await relay.person.run(["proxy", "stop"]);
  const { out: audit } = await relay.person.run(["audit", "export"]);
  const { url, key, relay: prefix } = relay.started;
  const world: World = { answers, relay: prefix, url, key, audit };
  await relay[Symbol.asyncDispose]();
  await Bun.write(Bun.stdout, `\n${JSON.stringify(world)}`);
  process.exit(0);
}

/** @returns the name and type that a question asks for (RFC 1035 section 4.1.2), and where the question ends */
function nameIn(question: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
    labels.push(question.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: question.readUInt16BE(at + 1), end: at + 5 };
}

function answerTo(question: Buffer, end: number, code: number, addresses: readonly string[]): Buffer {
  const head = Buffer.alloc(12);
  question.copy(head, 0, 0, 2);
  head.writeUInt16BE(0x8180 | code, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => {
    const bytes = address.includes(":") ? bytes6(address) : Buffer.from(address.split(".").map(Number));
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(bytes.length === 16 ? 28 : 1, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([head, question.subarray(12, end), ...records]);
}

function bytes6(address: string): Buffer {
  const [left = [], right = []] = new URL(`http://[${address}]/`).hostname
    .slice(1, -1)
    .split("::")
    .map((part) => part.split(":").filter(Boolean));
  const words = [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
  return Buffer.from(words.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255]));
}

if (import.meta.main) await main();
