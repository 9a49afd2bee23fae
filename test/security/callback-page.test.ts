import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { beginLogin, handOff } from "../support/login.ts";
import { sharedBrowser, sharedSandbox } from "../support/shared.ts";

/** Threat: the page after the login keeps the token in the browser, or runs what a hostile host sent. */

const sandbox = await sharedSandbox();
const browser = await sharedBrowser();

test("no token in the address bar, nor behind the back button", async () => {
  const person = new Person();
  const { login, url } = await beginLogin(person, sandbox);
  const context = await browser.newContext();
  const pairs = sandbox.front
    .issue("ada")
    .cookie.split("; ")
    .map((pair) => pair.split(/=(.*)/s));
  await context.addCookies(pairs.map(([name = "", value = ""]) => ({ name, value, url: sandbox.origin })));
  const page = await context.newPage();
  await page.goto("about:blank");
  await page.goto(url);
  expect(await page.textContent("h1")).toBe("You are logged in");
  expect(page.url()).toMatch(/^http:\/\/localhost:\d+\/done\/[\w-]+$/);
  const history = await (await page.context().newCDPSession(page)).send("Page.getNavigationHistory");
  expect(JSON.stringify(history)).not.toContain("token");
  await page.goBack();
  expect(page.url()).toBe("about:blank");
  expect((await login.finished()).code).toBe(0);
  person.remove();
});

test("what the host sent is shown, not run", async () => {
  const person = new Person();
  const hostile = "<img src=x onerror=alert(1)><script>document.title='owned'</script>\u001b]0;owned\u0007";
  sandbox.settings.userFailure = {
    status: 200,
    type: "application/json",
    body: JSON.stringify({ user_id: "1", name: hostile, email: "\u001b[2Jmallory@example.com\nerror: forged" }),
  };
  const { login, url } = await beginLogin(person, sandbox);
  const page = await (await browser.newContext()).newPage();
  await page.goto(await handOff(url, sandbox.front.issue("ada").cookie));
  expect(await page.title()).toBe("You are logged in · CodeMie");
  expect(await page.textContent("main")).toContain("<img src=x onerror=alert(1)>");
  expect(await page.locator("img, script").count()).toBe(0);
  const { out, err } = await login.finished();
  expect(out + err).not.toContain("\u001b");
  expect(out + err).not.toContain("\u0007");
  expect(out + err).not.toMatch(/^error/m);
  person.remove();
});

test("the answers forbid storing, referring, framing and scripts", async () => {
  const person = new Person();
  const { login, url } = await beginLogin(person, sandbox);
  const redirect = await fetch(await handOff(url, sandbox.front.issue("ada").cookie), { redirect: "manual" });
  const page = await fetch(new URL(redirect.headers.get("location") ?? "", redirect.url));
  for (const { headers } of [redirect, page]) {
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("x-frame-options")).toBe("DENY");
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toStartWith("default-src 'none';");
    expect(policy).not.toContain("script-src");
    expect(policy).not.toContain("unsafe");
  }
  await login.finished();
  person.remove();
});
