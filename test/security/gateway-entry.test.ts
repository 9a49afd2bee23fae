import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import type { Browser } from "playwright-core";
import { startBrowser } from "../support/browser.ts";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { Probe } from "../support/probe.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";

/** Threat: somebody other than the agent uses the gateway, and so the person's session. */

let sandbox: Sandbox;
let browser: Browser;
let probe: Probe;
let url = "";
let key = "";
beforeAll(async () => {
  [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]);
  const person = new Person();
  await logIn(person, sandbox);
  probe = new Probe(person);
  ({ url, key } = await probe.started());
});
afterAll(async () => {
  await probe.stop();
  await browser.close();
  await sandbox.close();
});

const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });
const post = (headers: Record<string, string>) => fetch(`${url}/v1/messages`, { method: "POST", body, headers });

test("the key is 256 random bits and opens by each of its headers", async () => {
  expect(Buffer.from(key, "base64url").length).toBe(32);
  for (const headers of [{ authorization: `Bearer ${key}` }, { "x-api-key": key }, { "x-goog-api-key": key }]) {
    expect((await post(headers)).status).toBe(200);
  }
});

const wrong: [string, () => Record<string, string>][] = [
  ["no key", () => ({})],
  ["an empty key", () => ({ "x-api-key": "" })],
  ["a wrong key", () => ({ authorization: "Bearer wrong" })],
  ["a part of the key", () => ({ authorization: `Bearer ${key.slice(0, -1)}` })],
  ["the key and more", () => ({ authorization: `Bearer ${key}x` })],
  ["two keys in a header", () => ({ authorization: `Bearer ${key}, Bearer ${key}` })],
  ["a right and a wrong key", () => ({ authorization: `Bearer ${key}`, "x-api-key": "wrong" })],
  ["the key in the query only", () => ({ "x-other": key })],
];
for (const [name, headers] of wrong) {
  test(`${name}: 401 in the API's own words, and nothing goes upstream`, async () => {
    const before = sandbox.record.length;
    const answer = await post(headers());
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ type: "error", error: { type: "authentication_error" } });
    expect(sandbox.record.length).toBe(before);
  });
}

test("two Authorization headers are refused", async () => {
  const line = `Authorization: Bearer ${key}\r\n`;
  expect(
    await raw(`POST /v1/messages HTTP/1.1\r\nHost: ${new URL(url).host}\r\n${line}${line}Content-Length: 0\r\n\r\n`),
  ).toBe(401);
});

for (const target of ["/v1/messages", "/health", "/"]) {
  for (const host of ["evil.example", "evil.example:80", "127.0.0.1", "localhost:1", ""]) {
    test(`Host '${host}' is refused on ${target}, key or no key`, async () => {
      const head = target === "/v1/messages" ? "POST" : "GET";
      const bytes = `${head} ${target} HTTP/1.1\r\nHost: ${host}\r\nx-api-key: ${key}\r\nContent-Length: 0\r\n\r\n`;
      expect(await raw(bytes)).toBe(403);
    });
  }
}

for (const headers of [
  { origin: "https://evil.example" },
  { origin: "null" },
  { "sec-fetch-site": "cross-site" },
  { "sec-fetch-site": "same-site" },
  { "sec-purpose": "prefetch" },
  { purpose: "prefetch" },
]) {
  test(`a web page (${JSON.stringify(headers)}) is refused even with the key`, async () => {
    expect((await post({ "x-api-key": key, ...headers } as Record<string, string>)).status).toBe(403);
  });
}

test("a real page reads nothing and sends nothing, by POST, preflight, image or frame", async () => {
  const before = sandbox.calls("/v1/messages").length;
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${sandbox.origin}/oauth2/userinfo`);
  const seen = await page.evaluate(
    async ([target, secret]) => {
      const attempt = (init: RequestInit) =>
        fetch(`${target}/v1/messages`, { method: "POST", body: "{}", ...init }).then(
          (answer) => answer.status,
          () => "refused",
        );
      return [
        await attempt({ headers: { "content-type": "text/plain" } }),
        await attempt({ headers: { "x-api-key": secret ?? "" } }),
        await attempt({ mode: "no-cors" }),
      ];
    },
    [url, key],
  );
  expect(seen.slice(0, 2)).toEqual(["refused", "refused"]);
  expect(sandbox.calls("/v1/messages").length).toBe(before);
});

test("it listens on loopback and nowhere else", async () => {
  const hex = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, "0");
  const sockets = `${await Bun.file("/proc/net/tcp").text()}${await Bun.file("/proc/net/tcp6")
    .text()
    .catch(() => "")}`;
  expect(sockets.match(new RegExp(`[0-9A-F]+:${hex} 0+:0000 0A`, "g"))).toEqual([`0100007F:${hex} 00000000:0000 0A`]);
});

test("/health and HEAD / say no more than that it lives", async () => {
  const health = await fetch(`${url}/health`);
  expect([health.status, await health.text()]).toEqual([200, '{"status":"ok"}']);
  expect((await fetch(url, { method: "HEAD" })).status).toBe(200);
});

/** Sends bytes as they are and returns the status of the answer. */
function raw(bytes: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(bytes));
    socket.once("data", (data) => {
      resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(data.toString())?.[1]));
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
