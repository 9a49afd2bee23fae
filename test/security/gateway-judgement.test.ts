import { expect, test } from "bun:test";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { ageLogin, storedCookiesOf, vaultOf } from "../support/age.ts";
import { logInAs, startBrowser } from "../support/browser.ts";
import { Person } from "../support/codemie.ts";
import { gatewayWithToken, startGateway } from "../support/gateway.ts";
import { InteractiveAgent } from "../support/interactive-agent.ts";
import { beginLogin, handOff } from "../support/login.ts";
import { startRawHost } from "../support/raw-host.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** Threat: an answer is misjudged, and a person is asked to log in again and again, or an answer that was had is lost. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);

const asks = () => sandbox.record.filter(({ path }) => path === "/oauth2/auth").length;
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
  await using gateway = await startGateway(loggedIn.copy());
  const before = asks();
  for (const [coding, encode] of Object.entries(codings)) {
    const type = { "content-type": "application/json" };
    sandbox.settings.answer = (_seen, response) =>
      void response.writeHead(401, { ...type, "content-encoding": coding }).end(encode(refusal));
    const answer = await gateway.post();
    expect({ coding, status: answer.status, text: await answer.text() }).toEqual({
      coding,
      status: 401,
      text: refusal,
    });
  }
  sandbox.settings.answer = (_seen, response) => void response.writeHead(304).end();
  expect((await gateway.post()).status).toBe(304);
  sandbox.settings.answer = (_seen, response) =>
    void response
      .writeHead(400, { "content-type": "text/html" })
      .end("<h1>400 Request Header Or Cookie Too Large</h1>");
  expect((await gateway.post()).status).toBe(400);
  expect(sandbox.calls("/v1/messages").length).toBe(Object.keys(codings).length + 2);
  expect(asks()).toBe(before);
});

ciTest("a 401 in a coding that nobody knows is the host's, whatever the coding is called", async () => {
  await using gateway = await startGateway(loggedIn.copy());
  for (const coding of ["constructor", "__proto__", "compress"]) {
    sandbox.settings.answer = (_seen, response) =>
      void response.writeHead(401, { "content-type": "application/json", "content-encoding": coding }).end(refusal);
    const answer = await gateway.post();
    expect({ coding, status: answer.status, text: await answer.text() }).toEqual({
      coding,
      status: 401,
      text: expect.stringContaining("codemie profile login"),
    });
  }
});

test("a provider's own 401 is passed on however long it is, up to what is read of it", async () => {
  await using gateway = await startGateway(loggedIn.copy());
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
    const answer = await gateway.post();
    expect({ length, status: answer.status, same: (await answer.text()) === long }).toEqual({
      length,
      status: 401,
      same: true,
    });
  }
});

ciTest("a login that did not help is not asked for again with each request", async () => {
  const person = new Person();
  const browser = await startBrowser();
  const context = await browser.newContext();
  const { login, url } = await beginLogin(person, sandbox);
  await (await logInAs(context, url, "ada")).close();
  await login.finished();
  sandbox.settings.answer = (_seen, response) => void response.writeHead(302, { location: "/oauth2/start" }).end();
  const agent = new InteractiveAgent(
    person,
    `console.log("agent ready");
for (let i = 0; i < 3; i++) {
  const answer = await fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", { method: "POST", body: "{}",
    headers: { authorization: "Bearer " + process.env.ANTHROPIC_AUTH_TOKEN } });
  console.log("status " + i + " " + answer.status);
}
`,
  );
  const page = await context.newPage();
  await page.goto(await agent.opens());
  expect(await page.textContent("h1")).toBe("Your session is renewed");
  await agent.pty.shows(/status 2 401/);
  await agent.pty.ended();
  expect(agent.opened()).toHaveLength(1);
  await browser.close();
  person.remove();
});

ciTest("a front that takes the question and never answers holds nobody up but the first", async () => {
  const person = loggedIn.copy();
  await ageLogin(person);
  sandbox.settings.hangsCheck = true;
  const all = await Promise.all([1, 2, 3].map(() => person.run(["models", "--json"])));
  expect(all.map(({ code, err }) => ({ code, err }))).toEqual(Array(3).fill({ code: 0, err: "" }));
  expect(asks()).toBe(1);
  person.remove();
});

ciTest(
  "a session renewed on an answer is used, and the answer passed on, while the record cannot be written",
  async () => {
    const hour = 3_600_000;
    const person = new Person();
    const login = await beginLogin(person, sandbox);
    await fetch(await handOff(login.url, sandbox.front.issue("ada", hour).cookie));
    await login.login.finished();
    await using gateway = await startGateway(person);
    const before = await storedCookiesOf(person);
    sandbox.settings.answer = (_seen, response) => void response.writeHead(200).end("{}");
    const done = Promise.withResolvers<void>();
    const held = vaultOf(person).locked("login default", () => done.promise);
    sandbox.settings.refreshMs = hour / 2;
    expect((await gateway.post()).status).toBe(200);
    sandbox.settings.refreshMs = 0;
    expect(sandbox.calls("/v1/messages").length).toBe(1);
    expect((await gateway.post()).status).toBe(200);
    const sent = String(sandbox.calls("/v1/messages").at(-1)?.headers.cookie);
    for (const value of Object.values(before)) expect(sent).not.toContain(value);
    expect(await storedCookiesOf(person)).toEqual(before);
    done.resolve();
    await held;
  },
);

test("a length that lies beside endless chunks does not fill the memory", async () => {
  let sent = 0;
  const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65_536, 97), Buffer.from("\r\n")]);
  const host = await startRawHost();
  host.reply = (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
    const more = () => {
      while (sent < 400e6 && !socket.destroyed) {
        sent += chunk.length;
        if (!socket.write(chunk)) return void socket.once("drain", more);
      }
    };
    more();
  };
  await using gateway = await gatewayWithToken(host.origin, ["--model", "m"]);
  const answer = await gateway.post().catch(() => undefined);
  // either it was refused, or it waits for its reader: the sender stands still far below what it would send
  for (let last = -1; last !== sent; await Bun.sleep(500)) last = sent;
  expect(sent).toBeLessThan(100e6);
  await answer?.body?.cancel();
  host.close();
});

const blocked = "<html><title>Request blocked</title></html>";
const block = () => {
  sandbox.settings.answer = (_seen, response) =>
    void response.writeHead(403, { "content-type": "text/html" }).end(blocked);
};

test("a firewall's page for one prompt is the request's own answer, if the session is good", async () => {
  for (const settings of [{}, { answersCheck: false }]) {
    Object.assign(sandbox.settings, settings);
    const logins = sandbox.calls("/v1/auth/login").length;
    await using gateway = await startGateway(loggedIn.copy());
    block();
    for (let call = 0; call < 2; call++) {
      const answer = await gateway.post();
      expect({ status: answer.status, text: await answer.text() }).toEqual({ status: 403, text: blocked });
    }
    sandbox.settings.answer = undefined;
    expect((await gateway.post()).status).toBe(200);
    expect(sandbox.calls("/v1/auth/login").length).toBe(logins);
    await gateway.stopQuietly();
  }
});

ciTest(
  "many such pages at once, or one after the other, are confirmed once, also when the front never answers",
  async () => {
    for (const hangsCheck of [false, true]) {
      sandbox.settings.hangsCheck = hangsCheck;
      await using gateway = await startGateway(loggedIn.copy());
      const before = asks();
      block();
      const answers = await Promise.all(Array.from({ length: 8 }, () => gateway.post()));
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(403));
      expect((await gateway.post()).status).toBe(403);
      expect(asks() - before).toBe(1);
    }
  },
);

test("the same page for a session that the front renews meanwhile: the request is sent again with the new one", async () => {
  await using gateway = await startGateway(loggedIn.copy());
  sandbox.settings.answer = (_seen, response) => {
    sandbox.settings.refreshMs = 1;
    sandbox.settings.answer = undefined;
    response.writeHead(403, { "content-type": "text/html" }).end(blocked);
  };
  await Bun.sleep(1100); // the issue time in the cookie has whole seconds
  expect((await gateway.post()).status).toBe(200);
});

test("the same page for a bearer token: passed if the host takes the token, else the token is named", async () => {
  for (const [status, accepted] of [
    [403, "202 Accepted"],
    [401, "401 Unauthorized"],
  ] as const) {
    const host = await startRawHost();
    host.reply = (socket, request) =>
      void socket.write(
        request.startsWith("POST ")
          ? `HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: ${blocked.length}\r\n\r\n${blocked}`
          : `HTTP/1.1 ${accepted}\r\nContent-Length: 0\r\n\r\n`,
      );
    await using gateway = await gatewayWithToken(host.origin);
    expect((await gateway.post()).status).toBe(status);
    host.close();
  }
});

test("the same page for a session that has ended says what to do", async () => {
  await using gateway = await startGateway(loggedIn.copy());
  sandbox.settings.answer = (_seen, response) => {
    sandbox.front.revokeAll();
    response.writeHead(403, { "content-type": "text/html" }).end(blocked);
  };
  const answer = await gateway.post();
  expect({ status: answer.status, text: await answer.text() }).toEqual({
    status: 401,
    text: expect.stringContaining("codemie profile login"),
  });
});
