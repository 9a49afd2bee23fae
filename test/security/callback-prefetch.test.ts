import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { startBrowser } from "../support/browser.ts";
import { Person } from "../support/codemie.ts";
import { beginLogin, handOff } from "../support/login.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";
import { cases } from "../support/tiers.ts";

/**
 * Threat: a page in the person's browser has the callback fetched ahead (speculation rules, `<link rel=prefetch>`), with a
 * hand-off of its own, and logs the person in as somebody else. To the callback it looks like a navigation.
 */

let sandbox: Sandbox;
let browser: Browser;
beforeAll(async () => {
  [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]);
});
afterAll(async () => {
  await browser.close();
  await sandbox.close();
});

for (const kind of cases(["prefetch", "prerender"] as const, 1)) {
  test(`a real Chromium's ${kind} does not log in, and the login goes on`, async () => {
    const person = new Person();
    const { login, url } = await beginLogin(person, sandbox);
    const forged = await handOff(url, sandbox.front.issue("mallory").cookie);
    const fetchedAhead = Promise.withResolvers<string>();
    const rules = JSON.stringify({ [kind]: [{ source: "list", urls: [forged], eagerness: "immediate" }] });
    const evil = Bun.serve({
      hostname: "localhost",
      port: 0,
      fetch: () =>
        new Response(`<!doctype html><script type="speculationrules">${rules}</script><p>a page`, {
          headers: { "content-type": "text/html" },
        }),
    });
    const context = await browser.newContext();
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Preload.enable" as never);
    session.on("Preload.prefetchStatusUpdated" as never, (event: { status: string }) => {
      if (event.status !== "Pending" && event.status !== "Running") fetchedAhead.resolve(event.status);
    });
    session.on("Preload.prerenderStatusUpdated" as never, (event: { status: string }) => {
      if (event.status !== "Pending" && event.status !== "Running") fetchedAhead.resolve(event.status);
    });
    await page.goto(`http://localhost:${evil.port}/`);
    // The browser has tried by then; whether it takes the answer is its own affair.
    expect(["Failure", "Success", "Ready"]).toContain(await fetchedAhead.promise);
    const own = await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
    expect(await own.text()).toContain("You are logged in");
    expect((await login.finished()).out).toContain("Ada");
    await context.close();
    await evil.stop(true);
    person.remove();
  });
}

for (const [name, value] of cases([
  ["sec-purpose", "prefetch"],
  ["sec-purpose", "prefetch;prerender"],
  ["sec-purpose", "prefetch;anonymous-client-ip"],
  ["purpose", "prefetch"],
  ["x-purpose", "preview"],
  ["x-moz", "prefetch"],
] as const)) {
  test(`${name}: ${value} is refused, and the login goes on`, async () => {
    const person = new Person();
    const { login, url } = await beginLogin(person, sandbox);
    const forged = await fetch(await handOff(url, sandbox.front.issue("mallory").cookie), {
      headers: { [name]: value },
      redirect: "manual",
    });
    expect(forged.status).toBe(403);
    const own = await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
    expect(await own.text()).toContain("You are logged in");
    expect((await login.finished()).out).toContain("Ada");
    person.remove();
  });
}
