import { expect, test } from "bun:test";
import { hello } from "../support/gateway.ts";
import { sendRaw } from "../support/raw.ts";
import { sharedBrowser, sharedGateway } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: somebody other than the agent uses the gateway, and so the person's session. */

const { sandbox, gateway } = await sharedGateway();
const { url, key, host } = gateway;
const browser = await sharedBrowser();

/** A model call with no key but the one among the headers. */
const post = (headers: Record<string, string>) => fetch(`${url}/v1/messages`, { method: "POST", body: hello, headers });

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
for (const [name, headers] of cases(wrong)) {
  test(`${name}: 401 in the API's own words, and nothing goes upstream`, async () => {
    const answer = await post(headers());
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ type: "error", error: { type: "authentication_error" } });
    expect(sandbox.record).toEqual([]);
  });
}

test("two Authorization headers are refused", async () => {
  const line = `Authorization: Bearer ${key}\r\n`;
  const bytes = `POST /v1/messages HTTP/1.1\r\nHost: ${host}\r\n${line}${line}Content-Length: 0\r\n\r\n`;
  expect((await sendRaw(url, bytes)).statuses).toEqual([401]);
});

for (const target of cases(["/v1/messages", "/health", "/"])) {
  for (const wrongHost of ["evil.example", "evil.example:80", "127.0.0.1", "localhost:1", ""]) {
    test(`Host '${wrongHost}' is refused on ${target}, key or no key`, async () => {
      const head = target === "/v1/messages" ? "POST" : "GET";
      const bytes = `${head} ${target} HTTP/1.1\r\nHost: ${wrongHost}\r\nx-api-key: ${key}\r\nContent-Length: 0\r\n\r\n`;
      expect((await sendRaw(url, bytes)).statuses).toEqual([403]);
    });
  }
}

test("the name of this machine in any case is the gateway's own, as RFC 9110 section 4.2.3 wants it", async () => {
  for (const name of ["localhost", "LOCALHOST", "LocalHost"]) {
    const bytes = `GET /health HTTP/1.1\r\nHost: ${host.replace("127.0.0.1", name)}\r\nConnection: close\r\n\r\n`;
    expect((await sendRaw(url, bytes)).statuses).toEqual([200]);
  }
});

for (const headers of cases([
  { origin: "https://evil.example" },
  { origin: "null" },
  { "sec-fetch-site": "cross-site" },
  { "sec-fetch-site": "same-site" },
  { "sec-purpose": "prefetch" },
  { purpose: "prefetch" },
])) {
  test(`a web page (${JSON.stringify(headers)}) is refused even with the key`, async () => {
    expect((await post({ "x-api-key": key, ...headers } as Record<string, string>)).status).toBe(403);
  });
}

test("a real page reads nothing and sends nothing, by POST, preflight, image or frame", async () => {
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
  expect(sandbox.calls("/v1/messages")).toEqual([]);
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
  expect((await fetch(`${url}/api/hello`, { method: "HEAD" })).status).toBe(200);
});
