import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cookieHeader } from "../../../src/auth/cookies.ts";
import { loginRecord } from "../../../src/auth/credential.ts";
import { vaultFiles } from "../../../src/vault/key.ts";
import { Vault } from "../../../src/vault/vault.ts";

/** One way from the load to the upstream. */
export interface Contestant {
  readonly name: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  /** processes whose memory counts */
  readonly pids: readonly number[];
}

/** The build of this checkout. */
const ours = join(import.meta.dir, "../../../dist/codemie");
const children: Bun.Subprocess[] = [];

/** Ends everything that was started here. */
export async function stopAll(): Promise<void> {
  for (const child of children) child.kill();
  await Promise.all(children.map(({ exited }) => exited));
}

/** A session in two parts, as large as they come. */
const cookies = {
  _oauth2_proxy_0: "x".repeat(3900),
  _oauth2_proxy_1: `${"y".repeat(2000)}|${Math.floor(Date.now() / 1000)}|${"z".repeat(43)}`,
};
/** What every contestant puts on a request, so that all do the same job. */
const own = {
  Cookie: cookieHeader(cookies),
  "X-CodeMie-CLI": "codemie-cli/0.1.0",
  "X-CodeMie-Client": "codemie-daemon",
};

/** Starts a program and waits for the first line it prints. */
async function start(command: string[], env: Record<string, string> = {}): Promise<{ pid: number; line: string }> {
  const path = process.env.PATH ?? "";
  const child = Bun.spawn(command, { env: { PATH: path, ...env }, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  children.push(child);
  const { value } = await child.stdout.getReader().read();
  if (!value) throw new Error(`${command.join(" ")} ended before it was ready`);
  return { pid: child.pid, line: new TextDecoder().decode(value).trim() };
}

export async function startUpstream(): Promise<{ origin: string; pid: number }> {
  const { pid, line } = await start([process.execPath, join(import.meta.dir, "upstream.ts")]);
  return { origin: `http://127.0.0.1:${line}`, pid };
}

export function direct(origin: string): Contestant {
  return { name: "direct", url: `${origin}/code-assistant-api`, headers: own, pids: [] };
}

/** A compiled binary, ours or another build of it, with a login in the vault, as after `codemie profile login`. */
export async function gateway(origin: string, folder: string, name = "codemie", binary = ours): Promise<Contestant> {
  const home = join(folder, `home-${name}`);
  const base = join(home, ".codemie");
  mkdirSync(base, { recursive: true });
  const vault = new Vault(vaultFiles(base, {}), Date.now);
  await vault.prepare();
  const identity = { id: "1", name: "Ada", email: "ada@example.com" };
  const login = { method: "sso", origin, identity, loggedInAt: Date.now(), confirmedAt: Date.now(), cookies };
  await vault.write(loginRecord("default"), login);
  const config = {
    version: 2,
    activeProfile: "default",
    profiles: { default: { codeMieUrl: origin, relayPrivateHosts: ["127.0.0.1"] } },
  };
  await Bun.write(join(base, "codemie-cli.config.json"), JSON.stringify(config));
  const { line } = await start([binary, "proxy", "start", "--json"], { HOME: home });
  const { url, key, pid } = JSON.parse(line) as { url: string; key: string; pid: number };
  return { name, url, headers: { Authorization: `Bearer ${key}` }, pids: [pid] };
}

/** The relay of a gateway of its own, with the same upstream in the place of an MCP server. */
export async function relay(origin: string, folder: string): Promise<Contestant> {
  const home = join(folder, "home-relay");
  const one = await gateway(origin, folder, "relay");
  const state = JSON.parse(readFileSync(join(home, ".codemie/run/proxy-default.json"), "utf8"));
  return { ...one, url: `${state.relay}${origin}/code-assistant-api`, headers: {} };
}

/** Debian's nginx with one worker, keep-alive to the upstream, and nothing buffered. */
export async function nginx(origin: string, folder: string): Promise<Contestant> {
  const temporary = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const port = Number(temporary.port);
  await temporary.stop(true);
  const [first = "", second = ""] = own.Cookie.split("; ");
  const headers = Object.entries({ ...own, Cookie: "$first; $second", Authorization: "", Connection: "" })
    .map(([name, value]) => `proxy_set_header ${name} "${value}";`)
    .join("\n    ");
  const folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const configuration = `
daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { worker_connections 8192; }
http {
  access_log off; client_max_body_size 0; keepalive_requests 100000000; ${folders.join(" ")}
  upstream bench { server ${new URL(origin).host}; keepalive 1024; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    set $first "${first}"; set $second "${second}";
    location / {
    proxy_pass http://bench/code-assistant-api/; proxy_http_version 1.1; proxy_read_timeout 1h;
    proxy_buffering off; proxy_request_buffering off; proxy_hide_header Set-Cookie;
    ${headers}
    }
  }
}`;
  await Bun.write(join(folder, "nginx.conf"), configuration);
  const child = Bun.spawn(["nginx", "-c", join(folder, "nginx.conf")], { stdout: "ignore", stderr: "inherit" });
  children.push(child);
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/v1/llm_models`).catch(() => undefined))) await Bun.sleep(20);
  const worker = Bun.spawnSync(["pgrep", "-P", String(child.pid)])
    .stdout.toString()
    .trim();
  return { name: "nginx", url, headers: {}, pids: [Number(worker)] };
}

export async function nodeProxy(origin: string): Promise<Contestant> {
  const program = join(import.meta.dir, "node-proxy.mjs");
  const { pid, line } = await start(["node", program, `${origin}/code-assistant-api`, JSON.stringify(own)]);
  return { name: "node:http", url: `http://127.0.0.1:${line}`, headers: {}, pids: [pid] };
}
