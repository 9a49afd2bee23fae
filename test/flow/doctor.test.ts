import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { generate } from "selfsigned";
import { linkNames } from "../../src/cli/commands/agent/agents.ts";
import { within } from "../../src/core/time.ts";
import { loginFile } from "../support/age.ts";
import { claudeFolder, codemie, Person } from "../support/codemie.ts";
import { listening } from "../support/corporate.ts";
import { logIn, secretsOf } from "../support/login.ts";
import { listen } from "../support/sandbox/http.ts";
import { ownProvider, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** Every check finds what it is there for, says what to do, and nothing of it is a secret. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

interface Found {
  status: string;
  message: string;
  hint: string | null;
}

async function examined(
  env: Record<string, string> = {},
): Promise<{ code: number; ok: boolean; of: Record<string, Found> }> {
  const { code, out } = await person.run(["doctor", "--json"], { env });
  const { ok, checks } = JSON.parse(out);
  for (const { id, hint, ms, status } of checks) {
    expect({ id, ms: Number.isInteger(ms), helps: status !== "failed" || hint !== null }).toEqual({
      id,
      ms: true,
      helps: true,
    });
  }
  return { code, ok, of: Object.fromEntries(checks.map((one: Found & { id: string }) => [one.id, one])) };
}

/** codemie and its links on PATH, and the real Claude Code. */
function installed(): Record<string, string> {
  const bin = join(person.root, "bin");
  mkdirSync(bin, { recursive: true });
  symlinkSync(codemie, join(bin, "codemie"));
  for (const name of linkNames) symlinkSync(codemie, join(bin, name));
  return { PATH: `${bin}:${claudeFolder}:${person.env.PATH}` };
}

test("where all is well: exit 0, every check done, nothing secret, the home folder abbreviated", async () => {
  const { cookie } = await logIn(person, sandbox);
  const env = installed();
  const { code, ok, of } = await examined(env);
  expect({ code, ok, bad: Object.values(of).filter(({ status }) => status !== "ok" && status !== "skipped") }).toEqual({
    code: 0,
    ok: true,
    bad: [],
  });
  expect(of.agents?.message).toMatch(/^Claude Code \d+\.\d+/);
  expect(of.api?.message).toBe("answers, as Ada <ada@example.com>");
  const text = await person.run(["doctor", "--verbose"], { env });
  expect(text.out).toContain("everything is as it should be");
  for (const secret of secretsOf(cookie)) expect(text.out + JSON.stringify(of)).not.toContain(secret);
  expect(text.out + JSON.stringify(of)).not.toContain(person.home);
});

test("nothing set up: says so, and what can be looked at is", async () => {
  const { code, of } = await examined();
  expect(code).toBe(0);
  expect(of.config).toMatchObject({ status: "warning", hint: "run codemie setup" });
  for (const id of ["dns", "tcp", "tls", "clock", "credential", "api", "models"])
    expect(of[id]?.status).toBe("skipped");
});

ciTest("a session that is over fails, and stands first", async () => {
  await logIn(person, sandbox);
  sandbox.front.revokeAll();
  const { code, of } = await examined();
  expect([code, of.api?.status, of.api?.hint]).toEqual([1, "failed", `run codemie profile login --profile default`]);
  const { out } = await person.run(["doctor"]);
  expect(out.split("\n")[2]).toStartWith("✗ ");
});

test("a clock ten minutes off", async () => {
  await logIn(person, sandbox);
  for (const [off, says] of [
    [600_000, "behind the host's"],
    [-600_000, "ahead of the host's"],
  ] as const) {
    sandbox.settings.clockOffMs = off;
    const { of } = await examined();
    expect(of.clock?.status).toBe("failed");
    expect(of.clock?.message).toMatch(new RegExp(`^(599|600|601) s ${says}$`));
  }
});

test("files that others may read, a record that is damaged, a configuration that is wrong", async () => {
  await logIn(person, sandbox);
  chmodSync(person.configFile, 0o644);
  expect((await examined()).of.folders).toMatchObject({ status: "warning", hint: "chmod -R go-rwx ~/.codemie" });
  writeFileSync(loginFile(person), "{}");
  const damaged = await examined();
  expect([damaged.code, damaged.of.credential?.status]).toEqual([1, "failed"]);
  expect(damaged.of.credential?.message).toContain("is damaged");
  person.writeConfig('{"version":2,\n"profiles":[]}');
  const wrong = await examined();
  expect([wrong.code, wrong.of.config?.status]).toEqual([1, "failed"]);
  expect(wrong.of.config?.message).toContain("line 2, profiles: ");
});

test("a host that cannot be reached, a name that does not resolve, a port that is none", async () => {
  const { of } = await examined({ CODEMIE_URL: "https://no-such-host.invalid", CODEMIE_PROXY_PORT: "99999" });
  expect(of.dns).toMatchObject({ status: "failed", hint: "check the address, the network and the VPN" });
  expect(of.tcp?.status).toBe("failed");
  expect(of.port?.status).toBe("failed");
  const taken = await examined({ CODEMIE_PROXY_PORT: new URL(sandbox.origin).port });
  expect(taken.of.port?.status).toBe("warning");
});

test("a wrong address, and a host in trouble, are said without a login too; a good one misses the login alone", async () => {
  const plain = await listen();
  const says: readonly (readonly [status: number, type: string, says: RegExp])[] = [
    [200, "text/html", /web page/],
    [503, "text/plain", /503/],
  ];
  for (const [status, type, message] of says) {
    plain.handle((_request, response) => void response.writeHead(status, { "content-type": type }).end("<p>x</p>"));
    const { of } = await examined({ CODEMIE_URL: plain.origin });
    expect(of.api).toMatchObject({ status: "failed", message: expect.stringMatching(message) });
    expect(of.credential?.message).toContain("not logged in");
  }
  await plain.close();
  const { of } = await examined({ CODEMIE_URL: sandbox.origin });
  expect([of.credential?.status, of.api?.status]).toEqual(["failed", "skipped"]);
});

test("no check takes the system's word for a defect of ours: no such name, a port that is refused, one that speaks no TLS", async () => {
  const plain = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  const closing = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.destroy();
  });
  const [at, gone] = [await listening(plain), await listening(closing)];
  for (const [url, status, says] of [
    ["https://no-such-host.invalid", "skipped", /^there is no connection to look on: see connection$/],
    ["https://127.0.0.1:1", "skipped", /^there is no connection to look on: see connection$/],
    [`https://127.0.0.1:${at}`, "failed", /^127\.0\.0\.1:\d+ answers, but does not speak TLS/],
    [`https://127.0.0.1:${gone}`, "failed", /^127\.0\.0\.1:\d+ answers, but does not speak TLS/],
  ] as const) {
    const { of } = await examined({ CODEMIE_URL: url });
    expect(of.tls?.status).toBe(status);
    expect(of.tls?.message).toMatch(says);
    expect(JSON.stringify(of)).not.toMatch(/unexpected|defect/);
  }
  plain.close();
  closing.close();
});

test("a trail that somebody changed is found; without a vault there is none to look at", async () => {
  expect((await examined()).of["audit-lines"]?.status).toBe("skipped");
  await logIn(person, sandbox);
  expect((await examined()).of["audit-lines"]).toMatchObject({ status: "ok" });
  const folder = join(person.codemieHome, "audit");
  const file = join(folder, readdirSync(folder).find((name) => name.endsWith(".jsonl")) ?? "");
  writeFileSync(file, readFileSync(file, "utf8").replace("login", "logim"));
  const { code, of } = await examined();
  expect([code, of["audit-lines"]?.status]).toEqual([1, "failed"]);
  expect(of["audit-lines"]?.message).toContain(".jsonl:1: ");
  expect((await person.run(["doctor"])).out).not.toContain("everything is as it should be");
});

ciTest("it ends with its last line, though the host still lets requests wait", async () => {
  const silent = createServer((socket) => socket.on("error", () => undefined));
  const token = await sandbox.front.mintToken("ci", 86_400);
  const env = { CODEMIE_URL: `http://127.0.0.1:${await listening(silent)}`, CODEMIE_JWT_TOKEN: token };
  for (const args of [["doctor"], ["doctor", "--json"]]) {
    const running = person.start(args, { env });
    await running.says(/\d failed\n|"ok":false/);
    // The longest request has 30 s, a check 15 s: whatever the machine's speed, it must not wait for the former.
    expect(await within(5_000, running.finished())).toBe(true);
  }
  silent.close();
});

test("whoever opens TLS on the way is named", async () => {
  const day = 86_400_000;
  const subject = [
    { name: "commonName", value: "localhost" },
    { name: "organizationName", value: "Zscaler Inc." },
  ];
  const { private: key, cert } = await generate(subject, { notAfterDate: new Date(Date.now() + day) });
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", tls: { key, cert }, fetch: () => new Response("") });
  const { of } = await examined({ CODEMIE_URL: `https://localhost:${server.port}` });
  expect(of.tls?.status).toBe("failed");
  expect(of.tls?.message).toMatch(
    /^issued by Zscaler Inc\., until \S+: a product of this firm decrypts the connection on the way; not trusted \(/,
  );
  expect(of.clock?.message).toContain("cannot be trusted");
  await server.stop(true);
});

test("a proxy is named without its password", async () => {
  const { of } = await examined({
    CODEMIE_URL: "https://codemie.example.com",
    HTTPS_PROXY: "http://ada:proxy-password@127.0.0.1:9",
  });
  expect(of.proxy?.message).toBe("http://127.0.0.1:9 (with a user name)");
  expect(JSON.stringify(of)).not.toContain("proxy-password");
  const past = await examined({
    CODEMIE_URL: "https://codemie.example.com",
    HTTPS_PROXY: "http://127.0.0.1:9",
    NO_PROXY: ".example.com",
  });
  expect(past.of.proxy?.message).toBe("none for this host (NO_PROXY)");
});

test("a bearer token: near its end a warning; its signature verified, found forged, or made with a key that is gone", async () => {
  const day = 86_400;
  const issued = Math.floor(Date.now() / 1000) - 30 * day;
  const ending = await sandbox.front.mintToken("ci", 3 * day, { iat: issued });
  const soon = await examined({ CODEMIE_URL: sandbox.origin, CODEMIE_JWT_TOKEN: ending });
  expect(soon.of.credential?.status).toBe("warning");
  expect(soon.of.signature).toMatchObject({ status: "skipped", message: "the token names no issuer" });

  const { privateKey, publicKey } = await generateKeyPair("RS256");
  const { privateKey: stranger } = await generateKeyPair("RS256");
  const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "RS256", use: "sig" };
  const keys = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const issuer = new URL(request.url).origin;
      if (request.url.endsWith("/jwks")) return Response.json({ keys: [jwk] });
      return Response.json({
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
      });
    },
  });
  const issuer = `http://127.0.0.1:${keys.port}`;
  const sign = (key: CryptoKey, kid: string) =>
    new SignJWT({ email: "ci@example.com" })
      .setProtectedHeader({ alg: "RS256", kid })
      .setIssuer(issuer)
      .setSubject("ci")
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(key);
  for (const [token, status, says] of [
    [await sign(privateKey, "k1"), "ok", `verified with the keys of ${issuer}`],
    [await sign(stranger, "k1"), "failed", `it is not signed by ${issuer}`],
    [await sign(stranger, "k2"), "failed", `${issuer} has no key for it`],
  ] as const) {
    const { of } = await examined({ CODEMIE_URL: sandbox.origin, CODEMIE_JWT_TOKEN: token });
    expect(of.signature).toMatchObject({ status, message: says });
    expect(JSON.stringify(of)).not.toContain(token.slice(-40));
  }
  await keys.stop(true);
});

test("a model provider: its key and its models are what is looked at", async () => {
  const provider = await ownProvider("litellm");
  const args = [
    "setup",
    "--provider",
    "litellm",
    "--url",
    provider.origin,
    "--key-stdin",
    "--model",
    "gpt-5.1",
    "--yes",
  ];
  await person.run(args, { stdin: provider.key });
  const { of } = await examined();
  expect(of.credential?.message).toBe("a stored API key");
  expect(of.api?.status).toBe("skipped");
  expect(of.models).toMatchObject({ status: "warning", hint: "did you mean gpt-5.2" });
});

ciTest("a host that takes the connection and answers nothing: the API is named, not the clock", async () => {
  await logIn(person, sandbox);
  const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const origin = `http://127.0.0.1:${silent.port}`;
  const { code, of } = await examined({ CODEMIE_URL: origin });
  silent.stop(true);
  expect([code, of.api?.status, of.clock?.status]).toEqual([1, "failed", "skipped"]);
  expect(of.api?.message).toContain(`${origin} does not answer`);
});

ciTest(
  "an agent's version comes from its package; one that does not say its version is a warning, not a failure",
  async () => {
    const node = join(person.root, "node_modules/@openai/codex");
    mkdirSync(join(node, "bin"), { recursive: true });
    writeFileSync(join(node, "package.json"), '{"name":"@openai/codex","version":"0.159.7"}');
    writeFileSync(join(node, "bin/codex"), "#!/bin/sh\nexec sleep 100\n", { mode: 0o755 });
    const bin = join(person.root, "bin");
    mkdirSync(bin);
    symlinkSync(join(node, "bin/codex"), join(bin, "codex"));
    const env = { PATH: `${bin}:/usr/bin:/bin` };
    const { of } = await examined(env);
    expect(of.agents).toMatchObject({ status: "ok", message: "Codex 0.159.7" });
    writeFileSync(join(bin, "gemini"), "#!/bin/sh\nsleep 100\n", { mode: 0o755 });
    const { of: slow } = await examined(env);
    expect(slow.agents).toMatchObject({
      status: "warning",
      message: "Codex 0.159.7, Gemini CLI (it did not tell its version)",
      hint: "see what it says itself: gemini --version",
    });
  },
);

test("the hint for a missing agent is our own command", async () => {
  const { of } = await examined({ PATH: "/usr/bin:/bin" });
  expect(of.agents?.hint).toBe("for example: codemie install claude");
});
