import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { codemieMcpProxy, Person } from "../support/codemie.ts";
import { startCorporate } from "../support/corporate.ts";
import { startGateway } from "../support/gateway.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** A host that is reached over a proxy only, with a certificate of the company's own. */

const sandbox = await sharedSandbox();
const network = await startCorporate(sandbox.origin);
afterAll(() => network.close());
let person: Person;
let env: Record<string, string>;
beforeEach(async () => {
  person = new Person();
  const file = `${person.root}/authority.pem`;
  await Bun.write(file, network.certificate);
  network.asked.length = 0;
  network.refuse = undefined;
  const token = await sandbox.front.mintToken("ci");
  env = { CODEMIE_URL: network.url, CODEMIE_JWT_TOKEN: token, CODEMIE_CA_CERTS: file, HTTPS_PROXY: network.proxyUrl };
});
afterEach(() => person.remove());

const models = (changes: Record<string, string> = {}) =>
  person.run(["models", "--json"], { env: { ...env, ...changes } });

test("commands go through the proxy, in a tunnel it cannot look into", async () => {
  const { code, out } = await models();
  expect(code).toBe(0);
  expect(JSON.parse(out)).toHaveLength(3);
  expect(network.asked).toEqual(["CONNECT codemie.test:443"]);
});

test("name and password of the proxy go to the proxy", async () => {
  const { host } = new URL(network.proxyUrl);
  expect((await models({ HTTPS_PROXY: `http://ada:p%40ss@${host}` })).code).toBe(0);
  expect(network.asked).toEqual([`CONNECT codemie.test:443 Basic ${btoa("ada:p@ss")}`]);
  expect(JSON.stringify(sandbox.record.at(-1)?.rawHeaders).toLowerCase()).not.toContain("proxy-authorization");
});

for (const value of cases(["codemie.test", ".test", "*.test", "*", "other.test, CODEMIE.test", "codemie.test:443"])) {
  test(`NO_PROXY=${value}: the proxy is not asked`, async () => {
    for (const name of ["NO_PROXY", "no_proxy"]) {
      const { code, out } = await models({ [name]: value });
      // only the proxy knows the name, so without it there is no way
      expect({ code, error: JSON.parse(out).error.code }).toEqual({ code: 5, error: "unreachable" });
    }
    expect(network.asked).toEqual([]);
  });
}

test("a NO_PROXY that names others changes nothing", async () => {
  expect((await models({ NO_PROXY: "example.test,codemie.test:8443" })).code).toBe(0);
});

test("loopback never goes to a proxy, whatever the environment says", async () => {
  const changes = { CODEMIE_URL: sandbox.origin, HTTP_PROXY: network.proxyUrl, NO_PROXY: "other.test" };
  expect((await models(changes)).code).toBe(0);
  expect(network.asked).toEqual([]);
});

test("all of 127.0.0.0/8 is this machine", async () => {
  const asked: string[] = [];
  const host = Bun.serve({
    hostname: "127.0.0.2",
    port: 0,
    fetch: (request) => {
      asked.push(request.headers.get("authorization") ?? "");
      return new Response("{}", { status: 500 });
    },
  });
  const token = env.CODEMIE_JWT_TOKEN;
  await models({ CODEMIE_URL: `http://127.0.0.2:${host.port}`, HTTP_PROXY: network.proxyUrl });
  expect({ seen: asked[0], proxy: network.asked }).toEqual({ seen: `Bearer ${token}`, proxy: [] });
  await host.stop(true);
});

test("NO_PROXY and no_proxy are honoured together", async () => {
  for (const [upper, lower] of [
    ["codemie.test", "other.test"],
    ["other.test", "codemie.test"],
  ] as const) {
    expect((await models({ NO_PROXY: upper, no_proxy: lower })).code).toBe(5);
  }
  expect(network.asked).toEqual([]);
});

test("a proxy that refuses is an error that says so", async () => {
  network.refuse = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
  const { code, out } = await models();
  expect(code).toBe(5);
  expect(JSON.parse(out).error.message).toContain("https://codemie.test");
});

const { host: proxyHost } = new URL(network.proxyUrl);
const closed = "127.0.0.1:9";

/** What the environment says, what the proxy answers to that, and what the person reads. */
const faults: [string, Record<string, string>, string | undefined, message: string, hint: string][] = [
  [
    "407 without a name",
    {},
    "407 Proxy Authentication Required",
    `the proxy http://${proxyHost} answered 407 Proxy Authentication Required`,
    "put them into HTTPS_PROXY",
  ],
  [
    "407 with a name",
    { HTTPS_PROXY: `http://ada:secret@${proxyHost}` },
    "407 No",
    `the proxy http://${proxyHost} answered 407 No`,
    "check the user name and the password in HTTPS_PROXY",
  ],
  ["403", {}, "403 Forbidden", `the proxy http://${proxyHost} answered 403 Forbidden`, "forbids this host"],
  ["502", {}, "502 Bad Gateway", `the proxy http://${proxyHost} answered 502 Bad Gateway`, "HTTPS_PROXY names"],
  [
    "a proxy that is down",
    { HTTPS_PROXY: "", https_proxy: `http://ada:secret@${closed}` },
    undefined,
    `no connection to the proxy http://${closed}: connection refused`,
    "check the proxy's address in https_proxy",
  ],
  [
    "a proxy whose name does not resolve",
    { HTTPS_PROXY: "proxy.invalid:8080" },
    undefined,
    "no connection to the proxy http://proxy.invalid:8080: its name does not resolve",
    "HTTPS_PROXY",
  ],
  ...["socks5", "socks5h", "socks4"].flatMap((kind) =>
    ["ALL_PROXY", "all_proxy", "HTTPS_PROXY"].map((variable): (typeof faults)[number] => [
      `${variable}=${kind}:`,
      { HTTPS_PROXY: "", [variable]: `${kind}://ada:secret@${proxyHost}` },
      undefined,
      `${variable} names a proxy of a kind that codemie does not support (${kind}://${proxyHost})`,
      `name an http: or https: proxy in ${variable}`,
    ]),
  ),
  ["no address", { HTTPS_PROXY: "http://" }, undefined, "HTTPS_PROXY names no address of a proxy", "HTTPS_PROXY"],
];

for (const [what, changes, refusal, message, hint] of cases(faults)) {
  test(`${what}: the proxy is named without its password, and what it said`, async () => {
    network.refuse = refusal && `HTTP/1.1 ${refusal}\r\nContent-Length: 0\r\n\r\n`;
    const { code, out, err } = await models(changes);
    expect(code).toBe(5);
    const { error } = JSON.parse(out);
    expect(error.code).toBe("unreachable");
    expect(error.message).toBe(`cannot reach https://codemie.test: ${message}`);
    expect(error.hint).toContain(hint);
    expect(out + err).not.toContain("secret");
    expect(network.asked.filter((line) => !line.startsWith("CONNECT codemie.test:443"))).toEqual([]);
  });
}

test("doctor does not pass a proxy that cannot be used, and names one that is down", async () => {
  const examined = async (changes: Record<string, string>) => {
    const { out } = await person.run(["doctor", "--json"], { env: { ...env, ...changes } });
    return (id: string) => JSON.parse(out).checks.find((one: { id: string }) => one.id === id);
  };
  for (const variable of ["ALL_PROXY", "all_proxy", "HTTPS_PROXY"]) {
    const check = await examined({ HTTPS_PROXY: "", [variable]: `socks5://ada:secret@${proxyHost}` });
    expect(check("proxy")).toMatchObject({ status: "failed", message: expect.stringContaining(`${variable} names`) });
    expect(JSON.stringify(check("proxy"))).not.toContain("secret");
  }
  const down = await examined({ HTTPS_PROXY: `http://${closed}` });
  expect(down("tcp")).toMatchObject({ status: "failed", message: expect.stringContaining(`the proxy ${closed}`) });
  expect(down("clock")).toMatchObject({ status: "skipped" });
});

test("NO_PROXY exempts a host from a proxy that cannot be used", async () => {
  const { out } = await models({ HTTPS_PROXY: "", ALL_PROXY: "socks5://127.0.0.1:9", NO_PROXY: "codemie.test" });
  expect(JSON.parse(out).error.message).not.toContain("proxy");
});

for (const padded of cases([` ${network.proxyUrl}`, `${network.proxyUrl} `, `${network.proxyUrl}\n`])) {
  test(`blanks around the proxy's address do not count: ${JSON.stringify(padded)}`, async () => {
    expect((await models({ HTTPS_PROXY: padded })).code).toBe(0);
    expect(network.asked).toEqual(["CONNECT codemie.test:443"]);
  });
}

test("a proxy that is nothing but blanks is none", async () => {
  expect((await models({ HTTPS_PROXY: " ", ALL_PROXY: network.proxyUrl })).code).toBe(0);
});

test("the gateway tells an agent the same words about a proxy, and so does the bridge", async () => {
  await using gateway = await startGateway(person, [], env);
  network.refuse = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
  const words = `cannot reach https://codemie.test: the proxy http://${proxyHost} answered 403 Forbidden`;
  network.drop();
  const answer = await gateway.post();
  expect({ status: answer.status, text: await answer.text() }).toEqual({
    status: 502,
    text: expect.stringContaining(words),
  });
  const stdin = `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} })}\n`;
  const { out } = await person.run(["https://codemie.test/mcp"], { program: codemieMcpProxy, env, stdin });
  expect(out).toContain(words);
});

test("an agent's requests stream through the proxy, and our key stays on this machine", async () => {
  await using gateway = await startGateway(person, [], env);
  expect(gateway.agent.env.NO_PROXY).toContain("127.0.0.1");
  let next = Promise.withResolvers<void>();
  sandbox.settings.answer = async (_seen, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let n = 0; n < 3; n++) {
      response.write(`data: ${n}\n\n`);
      await next.promise;
      next = Promise.withResolvers();
    }
    response.end();
  };
  const answer = await gateway.post();
  const reader = answer.body?.getReader();
  for (let n = 0; n < 3; n++) {
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(`data: ${n}\n\n`);
    next.resolve();
  }
  expect((await reader?.read())?.done).toBe(true);
  expect(network.asked.every((line) => line === "CONNECT codemie.test:443")).toBe(true);
});

test("ALL_PROXY is a proxy for everything, for the gateway as for commands", async () => {
  for (const variable of ["ALL_PROXY", "all_proxy"]) {
    const gateway = await startGateway(person, [], { ...env, HTTPS_PROXY: "", [variable]: network.proxyUrl });
    network.asked.length = 0;
    const answer = await gateway.post();
    expect({ status: answer.status, asked: network.asked.length <= 1 }).toEqual({ status: 200, asked: true });
    await gateway.stop();
    person = new Person();
    await Bun.write(String(env.CODEMIE_CA_CERTS), network.certificate);
  }
});

test("a large body keeps its length through a proxy", async () => {
  await using gateway = await startGateway(person, [], env);
  sandbox.settings.answer = (seen, response) => void response.end(String(seen.body.length));
  const answer = await gateway.post({ body: "x".repeat(9_000_000) });
  expect(await answer.text()).toBe("9000000");
  const headers = sandbox.record.at(-1)?.headers;
  expect([headers?.["content-length"], headers?.["transfer-encoding"]]).toEqual(["9000000", undefined]);
});

test("one tunnel serves many requests", async () => {
  await using gateway = await startGateway(person, [], env);
  network.asked.length = 0;
  for (let n = 0; n < 20; n++) {
    const answer = await gateway.post();
    expect(answer.status).toBe(200);
    await answer.arrayBuffer();
  }
  expect(network.asked.length).toBeLessThanOrEqual(1);
});
