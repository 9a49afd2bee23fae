import { expect, test } from "bun:test";
import { isPublicAddress } from "../../src/gateway/relay/public-address.ts";
import { type TargetOptions, Targets } from "../../src/gateway/relay/target.ts";

const targets = (changes: Partial<TargetOptions> = {}) =>
  new Targets({
    privateHosts: [],
    addressesOf: async () => ["93.184.215.14"],
    isProxied: () => false,
    now: () => 0,
    ...changes,
  });

test("behind a company's proxy, which looks names up itself, only what the profile names is reached", async () => {
  const proxied = targets({ isProxied: () => true, privateHosts: ["mcp.example.com"] });
  const other = proxied.allowed("https://other.example.com/mcp", "https://mcp.example.com/mcp");
  expect(proxied.wayTo(other, "https://mcp.example.com/mcp")).rejects.toMatchObject({ status: 403, reason: "proxy" });
  const own = "https://mcp.example.com/mcp";
  expect(await proxied.wayTo(proxied.allowed(own, own), own)).toEqual({ proxied: true });
});

test("a profile's entry allows exactly that host, and exactly that port where it names one", () => {
  const named = targets({ privateHosts: ["mcp.internal", "localhost:3001", "10.0.0.1", "[::1]:8443"] });
  for (const good of [
    "https://mcp.internal/x",
    "http://MCP.internal:8080/x",
    "http://localhost:3001/",
    "https://localhost:3001/",
    "https://0xa000001/",
    "https://[0:0::1]:8443/",
  ])
    expect(named.allowed(good, good).href).toBeString();
  for (const bad of [
    "https://mcp.internal.example.local/",
    "https://a.mcp.internal/",
    "https://mcp.internal./",
    "http://localhost/",
    "http://localhost:3002/",
    "http://127.0.0.1:3001/",
    "https://10.0.0.2/",
    "https://[::1]/",
    "ftp://mcp.internal/",
    "https://user@mcp.internal/",
  ])
    expect(() => named.allowed(bad, "https://mcp.internal/")).toThrow();
});

test("what the profile names is reached for an MCP server that it names, and for no other", async () => {
  const named = targets({ privateHosts: ["mcp.internal", "10.0.0.1"], addressesOf: async () => ["10.0.0.2"] });
  for (const url of ["http://10.0.0.1/admin", "http://mcp.internal/x", "https://10.0.0.1/"]) {
    expect(named.allowed(url, "https://mcp.internal/mcp").href).toBe(url);
    for (const server of ["https://evil.example.com/mcp", "https://mcp.internal.evil.example.com/", "nonsense", ""])
      expect(() => named.allowed(url, server)).toThrow();
  }
  const url = new URL("https://mcp.internal/x");
  expect(await named.wayTo(url, url.href)).toEqual({ addresses: ["10.0.0.2"] });
  expect(named.wayTo(url, "https://evil.example.com/")).rejects.toMatchObject({ reason: "private-network" });
});

test("a name is looked up once a minute, and one that could not be reached again", async () => {
  let [asked, now] = [0, 0];
  const counted = targets({
    now: () => now,
    addressesOf: async () => {
      asked++;
      return ["93.184.215.14"];
    },
  });
  const url = counted.allowed("https://mcp.example.com/mcp", "https://mcp.example.com/mcp");
  for (const at of [0, 59_000, 61_000]) {
    now = at;
    await counted.wayTo(url, url.href);
  }
  expect(asked).toBe(2);
  counted.forget(url);
  await counted.wayTo(url, url.href);
  expect(asked).toBe(3);
});

test("IPv4 comes first, and no address at all is a refusal", async () => {
  const both = targets({ addressesOf: async () => ["2606:4700::1111", "93.184.215.14"] });
  const url = both.allowed("https://mcp.example.com/", "https://mcp.example.com/");
  expect(await both.wayTo(url, url.href)).toEqual({ addresses: ["93.184.215.14", "2606:4700::1111"] });
  const none = targets({ addressesOf: async () => [] });
  expect(none.wayTo(url, url.href)).rejects.toMatchObject({ status: 403, reason: "unresolved" });
});

test("public addresses at the borders of those that are not", () => {
  const good = ["9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1"];
  const more = [
    "172.15.255.255",
    "172.32.0.0",
    "169.253.255.255",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
  ];
  for (const one of [...good, ...more, "2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1"])
    expect([one, isPublicAddress(one)]).toEqual([one, true]);
  for (const one of ["", "x", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "fe80::1%eth0", "2606::g", ":::"])
    expect([one, isPublicAddress(one)]).toEqual([one, false]);
});
