import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { logInAs, startBrowser } from "../support/browser.ts";
import { claudeFolder, codemieClaude, Person } from "../support/codemie.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";

let sandbox: Sandbox;
let browser: Browser;
const person = new Person();

beforeAll(async () => {
  [sandbox, browser] = await Promise.all([startSandbox({ chunks: 3 }), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await sandbox?.close();
  person.remove();
});

test("a person logs in through a real browser", async () => {
  const login = person.start(["profile", "login", "--url", sandbox.origin]);
  const [url] = await login.says(/http:\/\/127\.0\.0\.1:\d+\/code-assistant-api\/v1\/auth\/login\/\d+/);
  const context = await browser.newContext();
  const page = await logInAs(context, url, "ada");
  expect(await page.textContent("h1")).toBe("You are logged in");
  expect(await page.textContent("main")).toContain("Ada <ada@example.com>");
  expect(page.url()).not.toContain("token");
  await page.screenshot({ path: process.env.SCREENSHOT ?? "/dev/null", type: "png" });

  const { code, out } = await login.finished();
  expect(out).toContain("logged in to");
  expect(out).toContain("Ada <ada@example.com>");
  expect(code).toBe(0);
});

test("status names the person, the host and the time", async () => {
  const { code, out } = await person.run(["profile", "status", "--json"]);
  expect(code).toBe(0);
  const status = JSON.parse(out);
  expect(status).toMatchObject({
    profile: "default",
    method: "sso",
    url: sandbox.origin,
    authenticated: true,
    user: { name: "Ada", email: "ada@example.com" },
    expiresFrom: "estimate",
    models: ["claude-sonnet-4-6", "claude-haiku-4-5", "gpt-5.2"],
  });
});

test("the real Claude Code answers a task through the gateway", async () => {
  const { code, out, err } = await person.run(["--task", "say hello to the sandbox"], {
    program: codemieClaude,
    env: { PATH: `${claudeFolder}:${person.env.PATH}` },
  });
  expect(err).toBe("");
  expect(out.trim()).toBe("The sandbox heard: say hello to the sandbox");
  expect(code).toBe(0);
  const calls = sandbox.calls("/v1/messages");
  expect(calls.length).toBeGreaterThan(0);
  for (const { headers, rawHeaders } of calls) {
    expect(headers.cookie).toMatch(/^_oauth2_proxy_0=[^;]+; _oauth2_proxy_1=[^;]+; _oauth2_proxy_2=[^;]+$/);
    expect(headers).toMatchObject({
      "x-codemie-cli": expect.stringMatching(/^codemie-cli\/\d+\.\d+\.\d+$/),
      "x-codemie-client": "codemie-claude",
      "x-codemie-cli-model": "claude-sonnet-4-6",
    });
    for (const name of ["x-codemie-session-id", "x-codemie-request-id"]) expect(headers[name]).toBeString();
    for (const name of ["authorization", "x-api-key", "x-goog-api-key"]) expect(headers).not.toHaveProperty(name);
    expect(JSON.stringify(rawHeaders)).not.toContain("proxy-handled");
  }
});
