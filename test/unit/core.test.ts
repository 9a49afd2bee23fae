import { expect, test } from "bun:test";
import { inspect } from "node:util";
import { inAnySpelling, withoutNamed, withoutOwnSecrets } from "../../src/core/env.ts";
import { asCodemieError } from "../../src/core/errors.ts";
import { parseHost } from "../../src/core/host.ts";
import { Secret } from "../../src/core/secret.ts";
import { closest, editDistance, headerSafe, nearest, printable, wrap } from "../../src/core/text.ts";
import { mcpFailure } from "../../src/mcp/failures.ts";

test("what the runtime throws is shown without the addresses in it, which may hold a key", () => {
  const thrown = new Error('ZlibError fetching "https://mcp.example.com/s/KEY?api_key=KEY". For more information');
  expect(asCodemieError(thrown).message).toBe('unexpected: ZlibError fetching "an address". For more information');
  const ours = mcpFailure.lost("https://mcp.example.com");
  expect(asCodemieError(ours)).toBe(ours);
});

test("a host is what people type, stored by origin", () => {
  for (const [given, origin] of [
    ["codemie.example.com", "https://codemie.example.com"],
    ["https://codemie.example.com/", "https://codemie.example.com"],
    ["https://Codemie.Example.com:8443/code-assistant-api/v1/", "https://codemie.example.com:8443"],
    [" https://codemie.example.com/Code-Assistant-API ", "https://codemie.example.com"],
    ["http://localhost:3000", "http://localhost:3000"],
    ["http://127.1.2.3:3000/code-assistant-api", "http://127.1.2.3:3000"],
    ["http://[::1]:3000", "http://[::1]:3000"],
  ] as const) {
    expect(parseHost(given)).toEqual({ origin, api: `${origin}/code-assistant-api`, kind: "codemie" });
  }
  for (const given of [
    "",
    "http://h.example",
    "http://127.0.0.1.evil.example",
    "https://h/code-assistant-apix",
    "a b",
  ]) {
    expect(() => parseHost(given)).toThrow("cannot use");
  }
});

test("a secret prints as [redacted] wherever it ends up", () => {
  const secret = new Secret("hunter2");
  const seen = [String(secret), JSON.stringify({ secret }), inspect({ secret }), Bun.inspect({ secret }), `${secret}`];
  for (const text of seen) expect(text).not.toContain("hunter2");
  expect(Object.keys(secret)).toEqual([]);
  expect(secret.reveal()).toBe("hunter2");
});

test("text from elsewhere cannot move the cursor, forge a line or turn the writing around", () => {
  expect(printable("a\u001b[2J\nerror: forged\u0007\u202e")).toBe("a�[2J error: forged��");
  expect(printable("x".repeat(400)).length).toBe(300);
});

test("a header value is visible ASCII or nothing", () => {
  expect(headerSafe("owner/repo name")).toBe("owner/repo name");
  for (const value of ["a\r\nb", "ä", "", " a", "a\u0000", undefined]) expect(headerSafe(value)).toBeUndefined();
});

test("the nearest word is offered, a far one is not", () => {
  expect(editDistance("--ulr", "--url")).toBe(1);
  expect(editDistance("", "abc")).toBe(3);
  expect(nearest("logn", ["login", "logout"])).toBe("login");
  expect(nearest("zebra", ["login", "logout"])).toBeUndefined();
  expect(nearest("--nope", ["--scope", "--json"])).toBeUndefined();
  expect(nearest("--scpoe", ["--scope", "--json"])).toBe("--scope");
  expect(nearest("logn", ["logs", "login"])).toBe("login");
  expect(closest("claude-sonet", ["gpt-5.2", "claude-sonnet-4-6"], 3)).toEqual(["claude-sonnet-4-6"]);
  expect(closest("sonet", ["gpt-5.2", "claude-sonnet-4-6"], 3)).toEqual(["claude-sonnet-4-6"]);
});

test("text is broken between words, its indent kept, what is longer than the line left whole", () => {
  expect(wrap("error: one two three", 14, "       ")).toBe("error: one two\n       three");
  expect(wrap("  --flag  about it", 80, "")).toBe("  --flag  about it");
  expect(wrap("  --flag  about it", 12, "    ")).toBe("  --flag  \n    about it".replace("  \n", " \n"));
  expect(wrap("a https://example.com/long b", 10, "  ")).toBe("a\n  https://example.com/long\n  b");
  expect(wrap("any length", Number.POSITIVE_INFINITY, "  ")).toBe("any length");
});

test("in Windows a variable is found by any spelling, and a secret hidden by any", () => {
  const env = inAnySpelling({
    Path: "C:\\bin",
    Codemie_Api_Key: "sk",
    http_proxy: "http://p",
    npm_config_cache: "C:\\c",
    Mine: "1",
  });
  expect([env.PATH, env.Path, env.HTTP_PROXY, env.http_proxy, env.mine, env.other]).toEqual([
    ...["C:\\bin", "C:\\bin", "http://p", "http://p", "1"],
    undefined,
  ]);
  expect(Object.keys(env)).toEqual(["PATH", "CODEMIE_API_KEY", "http_proxy", "npm_config_cache", "MINE"]);
  expect(Object.keys(withoutOwnSecrets(withoutNamed(env, ["mInE", undefined])))).not.toContain("MINE");
  expect(Object.keys(withoutOwnSecrets(env))).not.toContain("CODEMIE_API_KEY");
  expect(withoutOwnSecrets({ TOKEN: "eyJ", CODEMIE_ID_TOKEN: "env:Token", OTHER: "1" })).toEqual({
    OTHER: "1",
  } as never);
});
