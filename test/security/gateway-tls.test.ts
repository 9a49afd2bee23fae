import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { Person } from "../support/codemie.ts";
import { certificateFor } from "../support/corporate.ts";
import { startGateway } from "../support/gateway.ts";
import { cases } from "../support/tiers.ts";
import { adasToken } from "../support/token.ts";

/** Threat: while the gateway runs, somebody takes the host's place with another certificate and is given the credential. */

type Pair = Awaited<ReturnType<typeof certificateFor>>;
const own = await certificateFor("127.0.0.1");
let server: Bun.Server<undefined>;
let person: Person;
const seen: string[] = [];

function serve({ cert, private: key }: Pair, port = 0): Bun.Server<undefined> {
  return Bun.serve({
    port,
    hostname: "127.0.0.1",
    tls: { cert, key },
    fetch: ({ method, url, headers }) => {
      seen.push(`${method} ${new URL(url).pathname} ${headers.get("authorization")}`);
      return Response.json(method === "GET" ? [] : { ok: true });
    },
  });
}

beforeEach(async () => {
  server = serve(own);
  person = new Person();
  await Bun.write(`${person.root}/ca.pem`, own.cert);
  seen.length = 0;
});
afterEach(() => server.stop(true));

async function started(env: Record<string, string>) {
  const base = { CODEMIE_JWT_TOKEN: adasToken, CODEMIE_URL: `https://127.0.0.1:${server.port}` };
  const gateway = await startGateway(person, ["--model", "m"], { ...base, ...env });
  const post = async (signal?: AbortSignal) => {
    const answer = await gateway.post({ ...(signal && { signal }) });
    return { status: answer.status, text: await answer.text() };
  };
  return { gateway, post };
}

for (const [name, variable] of cases([
  ["our own variable", "CODEMIE_CA_CERTS"],
  ["the runtime's variable", "NODE_EXTRA_CA_CERTS"],
  ["the system's store", "SSL_CERT_FILE"],
] as const)) {
  test(`authorities of ${name} are believed by the gateway`, async () => {
    const { gateway, post } = await started({ [variable]: `${person.root}/ca.pem` });
    for (let n = 0; n < 2; n++) expect((await post()).status).toBe(200);
    expect(seen.at(-1)).toBe(`POST /code-assistant-api/v1/messages Bearer ${adasToken}`);
    await gateway.stop();
  });
}

for (const [name, impostor, variables] of cases([
  ["nobody vouches for", "127.0.0.1", {}],
  ["nobody vouches for, whatever the shell says", "127.0.0.1", { NODE_TLS_REJECT_UNAUTHORIZED: "0" }],
  ["made for another name, by an authority that is believed", "other.test", {}],
] as const)) {
  test(`a certificate ${name}: no request is sent`, async () => {
    const other = await certificateFor(impostor);
    if (impostor === "other.test") await Bun.write(`${person.root}/ca.pem`, `${own.cert}\n${other.cert}`);
    const { gateway, post } = await started({ CODEMIE_CA_CERTS: `${person.root}/ca.pem`, ...variables });
    expect((await post()).status).toBe(200);
    const port = Number(server.port);
    await server.stop(true);
    server = serve(other, port);
    seen.length = 0;
    for (let n = 0; n < 3; n++) {
      const { status, text } = await post();
      expect({ status, text }).toEqual({ status: 502, text: expect.stringContaining("cannot be trusted") });
    }
    expect(seen).toEqual([]);
    await server.stop(true);
    server = serve(own, port);
    expect((await post()).status).toBe(200);
    await gateway.stop();
  });
}

test("a host that takes a connection and never shakes hands keeps none of those that were given up", async () => {
  const { gateway, post } = await started({ CODEMIE_CA_CERTS: `${person.root}/ca.pem` });
  const port = Number(server.port);
  await server.stop(true);
  const open = new Set<Socket>();
  const silent = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket)).on("error", () => undefined);
    socket.resume();
  });
  await new Promise<void>((resolve) => silent.listen(port, "127.0.0.1", resolve));
  const given = Array.from({ length: 5 }, () => post(AbortSignal.timeout(300)).catch(() => undefined));
  await Promise.all(given);
  for (let tries = 0; tries < 200 && open.size > 0; tries++) await Bun.sleep(10); // the system tells us nothing sooner
  expect(open.size).toBe(0);
  const stopped = gateway.stop();
  await stopped;
  await new Promise((resolve) => silent.close(resolve));
  server = serve(own);
});

test("a host that shakes hands again in the middle of an answer (TLS 1.2) is still heard", async () => {
  const { gateway, post } = await started({ CODEMIE_CA_CERTS: `${person.root}/ca.pem` });
  const port = Number(server.port);
  await server.stop(true);
  await Bun.write(`${person.root}/own.pem`, own.cert);
  await Bun.write(`${person.root}/own.key`, own.private);
  const files = ["-cert", `${person.root}/own.pem`, "-key", `${person.root}/own.key`];
  const command = ["openssl", "s_server", "-accept", `127.0.0.1:${port}`, ...files, "-tls1_2"];
  const host = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "ignore" });
  const said = async (word: string) => {
    while (!heard.includes(word)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`openssl ended: ${heard}`);
      heard += new TextDecoder().decode(value);
    }
  };
  let heard = "";
  const reader = host.stdout.getReader();
  await said("ACCEPT");
  const answer = post();
  await said("POST /code-assistant-api/v1/messages");
  host.stdin.write("R\n");
  await host.stdin.flush();
  await said("Read BLOCK");
  await Bun.sleep(300); // openssl does not say when the second handshake is over
  host.stdin.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
  await host.stdin.flush();
  expect(await answer).toEqual({ status: 200, text: "ok\n" });
  host.kill();
  await host.exited;
  server = serve(own);
  await gateway.stop();
});

test("a profile's insecureSkipTlsVerify holds for its gateway too, and for no other host", async () => {
  mkdirSync(`${person.home}/.codemie`, { recursive: true });
  const write = (codeMieUrl: string) =>
    Bun.write(
      `${person.home}/.codemie/codemie-cli.config.json`,
      JSON.stringify({
        version: 2,
        activeProfile: "default",
        profiles: { default: { codeMieUrl, insecureSkipTlsVerify: true } },
      }),
    );
  await write(`https://127.0.0.1:${server.port}`);
  const { gateway, post } = await started({});
  expect((await post()).status).toBe(200);
  await gateway.stop();
  person = new Person();
  mkdirSync(`${person.home}/.codemie`, { recursive: true });
  await write("https://127.0.0.1:9");
  await Bun.write(`${person.root}/ca.pem`, own.cert);
  const other = await started({ CODEMIE_CA_CERTS: `${person.root}/ca.pem` });
  const port = Number(server.port);
  await server.stop(true);
  server = serve(await certificateFor("127.0.0.1"), port);
  expect((await other.post()).status).toBe(502);
  await other.gateway.stop();
});
