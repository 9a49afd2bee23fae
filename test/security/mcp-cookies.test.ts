import { expect, test } from "bun:test";
import { Cookies } from "../../src/platform/cookie-jar.ts";
import type { Script } from "../support/mcp/scripted.ts";
import { scriptedBridge } from "../support/mcp/scripted-bridge.ts";

/** Threat: a cookie of one server, path or scheme is sent to another, or cookies without end fill the memory. */

test("cookies are kept by host, path, expiry and Secure", async () => {
  const jar = new Cookies();
  await jar.take("https://a.example.com/mcp/x", [
    "plain=1",
    "deep=2; Path=/mcp",
    "elsewhere=3; Path=/other",
    "secure=4; Secure; Path=/",
    "old=5; Max-Age=0",
    "past=6; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    "wide=7; Domain=example.com; Path=/",
    "foreign=8; Domain=evil.com",
    "everywhere=9; Domain=com",
  ]);
  expect(await jar.headerFor("https://a.example.com/mcp/x")).toBe("plain=1; deep=2; secure=4; wide=7");
  expect(await jar.headerFor("https://a.example.com/mcpx")).toBe("secure=4; wide=7");
  expect(await jar.headerFor("http://a.example.com/mcp/x")).toBe("plain=1; deep=2; wide=7");
  expect(await jar.headerFor("https://b.example.com/mcp/x")).toBe("wide=7");
  expect(await jar.headerFor("https://evil.com/")).toBeUndefined();
  await jar.take("https://a.example.com/mcp/x", ["plain=gone; Max-Age=0"]);
  expect(await jar.headerFor("https://a.example.com/mcp/x")).not.toContain("plain");
});

test("cookies without end, and cookies of any length, are not kept", async () => {
  const jar = new Cookies();
  const url = "https://a.example.com/mcp";
  await jar.take(url, ["fits=1", `long=${"x".repeat(5_000)}`]);
  expect(await jar.headerFor(url)).toBe("fits=1");
  for (let i = 0; i < 5_000; i++) {
    await jar.take(url, [`name${i}=1; Path=/${i % 2 ? "mcp" : "elsewhere"}`]);
    if (i % 500 === 0) expect((await jar.headerFor(url))?.split(";").length ?? 0).toBeLessThan(400);
  }
});

test("a server's cookie comes back to it on each request, and a cookie given with --header stays", async () => {
  const setsCookies: Script = (_seen, message, response) => {
    if (message?.method === "initialize") response.setHeader("set-cookie", ["node=7; Path=/", "gone=1; Max-Age=0"]);
  };
  const { server, bridge } = await scriptedBridge(setsCookies, ["--header", "Cookie: mine=1"]);
  await bridge.initialize();
  await bridge.call("x");
  expect(server.record.find(({ body }) => body.includes('"x"'))?.headers.cookie).toBe("mine=1; node=7");
});
