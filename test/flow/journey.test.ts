import { afterAll, expect, test } from "bun:test";
import { logInAs } from "../support/browser.ts";
import { codemieClaude, Person, withClaude } from "../support/codemie.ts";
import { sharedBrowser, sharedSandbox } from "../support/shared.ts";

const sandbox = await sharedSandbox({ chunks: 3 });
const browser = await sharedBrowser();
const person = new Person();
afterAll(() => person.remove());

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
    env: withClaude(person),
  });
  // Once: what the host is told of a session.
  expect(err).toMatch(/^http:\S+ gets counts of your sessions, never what is said in them: [^\n]*\n$/);
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
