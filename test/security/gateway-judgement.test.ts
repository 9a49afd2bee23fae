import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { ageLogin, storedCookiesOf, vaultOf } from "../support/age.ts";
import { logInAs, startBrowser } from "../support/browser.ts";
import { Person } from "../support/codemie.ts";
import { beginLogin, handOff, logIn } from "../support/login.ts";
import { Probe } from "../support/probe.ts";
import { Pty } from "../support/pty.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";

/** Threat: an answer is misjudged, and a person is asked to log in again and again, or an answer that was had is lost. */

let sandbox: Sandbox;
let person: Person;
beforeEach(async () => {
  sandbox = await startSandbox();
  person = new Person();
});
afterEach(async () => {
  person.remove();
  await sandbox.close();
});

const post = (url: string, key: string) =>
  fetch(`${url}/v1/messages`, { method: "POST", body: "{}", headers: { "x-api-key": key }, redirect: "manual" });

const refusal = JSON.stringify({
  type: "error",
  error: { type: "authentication_error", message: "the provider's own" },
});
const codings: Record<string, (text: string) => Buffer> = {
  identity: (text) => Buffer.from(text),
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
};

test("a provider's own 401 is the agent's to see, however it is compressed; so are 304 and an HTML 400", async () => {
  await logIn(person, sandbox);
  const probe = new Probe(person);
  const { url, key } = await probe.started();
  const before = sandbox.record.filter(({ path }) => path === "/oauth2/auth").length;
  for (const [coding, encode] of Object.entries(codings)) {
    const type = { "content-type": "application/json" };
    sandbox.settings.answer = (_seen, response) =>
      void response.writeHead(401, { ...type, "content-encoding": coding }).end(encode(refusal));
    const answer = await post(url, key);
    expect({ coding, status: answer.status, text: await answer.text() }).toEqual({
      coding,
      status: 401,
      text: refusal,
    });
  }
  sandbox.settings.answer = (_seen, response) => void response.writeHead(304).end();
  expect((await post(url, key)).status).toBe(304);
  sandbox.settings.answer = (_seen, response) =>
    void response
      .writeHead(400, { "content-type": "text/html" })
      .end("<h1>400 Request Header Or Cookie Too Large</h1>");
  expect((await post(url, key)).status).toBe(400);
  expect(sandbox.calls("/v1/messages").length).toBe(Object.keys(codings).length + 2);
  expect(sandbox.record.filter(({ path }) => path === "/oauth2/auth").length).toBe(before);
  await probe.stop();
  person = new Person();
});

test("a 401 in a coding that nobody knows is the host's, whatever the coding is called", async () => {
  await logIn(person, sandbox);
  const probe = new Probe(person);
  const { url, key } = await probe.started();
  for (const coding of ["constructor", "__proto__", "compress"]) {
    sandbox.settings.answer = (_seen, response) =>
      void response.writeHead(401, { "content-type": "application/json", "content-encoding": coding }).end(refusal);
    const answer = await post(url, key);
    expect({ coding, status: answer.status, text: await answer.text() }).toEqual({
      coding,
      status: 401,
      text: expect.stringContaining("codemie profile login"),
    });
  }
  await probe.stop();
  person = new Person();
});

test("a provider's own 401 is passed on however long it is, up to what is read of it", async () => {
  await logIn(person, sandbox);
  const probe = new Probe(person);
  const { url, key } = await probe.started();
  for (const length of [1_000, 17_000, 40_000, 60_000]) {
    const long = JSON.stringify({
      type: "error",
      error: { type: "authentication_error", message: "x".repeat(length) },
    });
    sandbox.settings.answer = async (_seen, response) => {
      response.writeHead(401, { "content-type": "application/json" });
      for (let at = 0; at < long.length; at += 20_000) {
        response.write(long.slice(at, at + 20_000));
        await Bun.sleep(5);
      }
      response.end();
    };
    const answer = await post(url, key);
    expect({ length, status: answer.status, same: (await answer.text()) === long }).toEqual({
      length,
      status: 401,
      same: true,
    });
  }
  await probe.stop();
  person = new Person();
});

test("a login that did not help is not asked for again with each request", async () => {
  const browser = await startBrowser();
  const context = await browser.newContext();
  const { login, url } = await beginLogin(person, sandbox);
  await (await logInAs(context, url, "ada")).close();
  await login.finished();
  const bin = join(person.root, "bin");
  const opened = join(person.root, "opened");
  mkdirSync(bin);
  writeFileSync(
    join(bin, "claude"),
    `#!${process.execPath}
console.log("agent ready");
for (let i = 0; i < 3; i++) {
  const answer = await fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", { method: "POST", body: "{}",
    headers: { authorization: "Bearer " + process.env.ANTHROPIC_AUTH_TOKEN } });
  console.log("status " + i + " " + answer.status);
}
`,
  );
  writeFileSync(join(bin, "open-it"), `#!/bin/sh\nprintf '%s\\n' "$1" >> ${opened}\n`);
  for (const name of ["claude", "open-it"]) chmodSync(join(bin, name), 0o755);
  sandbox.settings.answer = (_seen, response) => void response.writeHead(302, { location: "/oauth2/start" }).end();
  const env = { PATH: `${bin}:${person.env.PATH}`, CODEMIE_BROWSER: join(bin, "open-it") };
  const pty = new Pty(person, ["claude"], env);
  await pty.shows(/agent ready/);
  while (!existsSync(opened) || !readFileSync(opened, "utf8").endsWith("\n")) await Bun.sleep(20);
  const page = await context.newPage();
  await page.goto(readFileSync(opened, "utf8").split("\n")[0] ?? "");
  expect(await page.textContent("h1")).toBe("Your session is renewed");
  await pty.shows(/status 2 401/);
  await pty.ended();
  expect(readFileSync(opened, "utf8").trim().split("\n").length).toBe(1);
  await browser.close();
});

test("a front that takes the question and never answers holds nobody up but the first", async () => {
  await logIn(person, sandbox);
  await ageLogin(person);
  sandbox.settings.hangsCheck = true;
  const all = await Promise.all([1, 2, 3].map(() => person.run(["models", "--json"])));
  expect(all.map(({ code, err }) => ({ code, err }))).toEqual(Array(3).fill({ code: 0, err: "" }));
  expect(sandbox.record.filter(({ path }) => path === "/oauth2/auth").length).toBe(1);
});

test("a session renewed on an answer is used, and the answer passed on, while the record cannot be written", async () => {
  const hour = 3_600_000;
  const login = await beginLogin(person, sandbox);
  await fetch(await handOff(login.url, sandbox.front.issue("ada", hour).cookie));
  await login.login.finished();
  const probe = new Probe(person);
  const { url, key } = await probe.started();
  const before = await storedCookiesOf(person);
  sandbox.settings.answer = (_seen, response) => void response.writeHead(200).end("{}");
  const done = Promise.withResolvers<void>();
  const held = vaultOf(person).locked("login default", () => done.promise);
  sandbox.settings.refreshMs = hour / 2;
  expect((await post(url, key)).status).toBe(200);
  sandbox.settings.refreshMs = 0;
  expect(sandbox.calls("/v1/messages").length).toBe(1);
  expect((await post(url, key)).status).toBe(200);
  const sent = String(sandbox.calls("/v1/messages").at(-1)?.headers.cookie);
  for (const value of Object.values(before)) expect(sent).not.toContain(value);
  expect(await storedCookiesOf(person)).toEqual(before);
  done.resolve();
  await held;
  await probe.stop();
  person = new Person();
});

test("a length that lies beside endless chunks does not fill the memory", async () => {
  let sent = 0;
  const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65_536, 97), Buffer.from("\r\n")]);
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (data) => {
      if (!data.toString("latin1").startsWith("POST")) {
        socket.end(
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]",
        );
        return;
      }
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
      const more = () => {
        while (sent < 400e6 && !socket.destroyed) {
          sent += chunk.length;
          if (!socket.write(chunk)) return void socket.once("drain", more);
        }
      };
      more();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const token = await sandbox.front.mintToken("ci");
  const probe = new Probe(person, ["--base-url", origin, "--model", "m"], { CODEMIE_JWT_TOKEN: token });
  const { url, key } = await probe.started();
  const answer = await post(url, key).catch(() => undefined);
  // either it was refused, or it waits for its reader: the sender stands still far below what it would send
  for (let last = -1; last !== sent; await Bun.sleep(500)) last = sent;
  expect(sent).toBeLessThan(100e6);
  await answer?.body?.cancel();
  server.close();
  await probe.stop();
  person = new Person();
});
