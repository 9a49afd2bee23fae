import { afterEach, beforeEach, expect, test } from "bun:test";
import { ageLogin, storedCookiesOf } from "../support/age.ts";
import { claudeFolder, codemieClaude, Person } from "../support/codemie.ts";
import { beginLogin, handOff, logIn } from "../support/login.ts";
import { Probe } from "../support/probe.ts";
import { cookiesOf } from "../support/sandbox/front.ts";
import { sharedSandbox } from "../support/shared.ts";
import { soak } from "../support/soak.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Sessions that slide: the front renews them on some request, and the old cookies then end everything if used again. */

const hour = 3_600_000;
const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

/** Logs in with a session that the front finds old enough to renew. */
async function logInWithOldSession(): Promise<void> {
  const { login, url } = await beginLogin(person, sandbox);
  await fetch(await handOff(url, sandbox.front.issue("ada", hour).cookie));
  expect((await login.finished()).code).toBe(0);
  await ageLogin(person);
  sandbox.settings.refreshMs = hour / 2;
}

const ask = (url: string, key: string) =>
  fetch(`${url}/v1/messages`, {
    method: "POST",
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] }),
    headers: { "x-api-key": key },
  });

for (let round = 1; round <= soak(1, 20); round++) {
  test(`20 processes at once with a session that is due: one renewal, 20 successes (${round})`, async () => {
    await logInWithOldSession();
    const results = await Promise.all(Array.from({ length: 20 }, () => person.run(["models", "--json"])));
    expect(results.map(({ code }) => code)).toEqual(Array(20).fill(0));
    expect(sandbox.front.refreshes).toBe(1);
    expect((await person.run(["profile", "status"])).code).toBe(0);
  });
}

test("a session renewed on a model's answer is stored before the answer goes on, and never seen by the agent", async () => {
  const login = await beginLogin(person, sandbox);
  await fetch(await handOff(login.url, sandbox.front.issue("ada", hour).cookie));
  await login.login.finished();
  const probe = new Probe(person);
  const { url, key } = await probe.started();
  sandbox.settings.refreshMs = hour / 2;
  const before = await storedCookiesOf(person);
  const answer = await ask(url, key);
  expect(answer.headers.getSetCookie()).toEqual([]);
  const after = await storedCookiesOf(person);
  expect(after).not.toEqual(before);
  await answer.text();
  expect((await ask(url, key)).status).toBe(200);
  expect(sandbox.front.refreshes).toBe(1);
  expect((await person.run(["models"])).code).toBe(0);
  await probe.stop();
  person = new Person();
});

for (const [from, to] of cases([
  [1, 3],
  [3, 1],
  [2, 2],
] as const)) {
  test(`a session in ${from} part(s) renewed into ${to} is sent as the new set alone`, async () => {
    sandbox.settings.chunks = from;
    await logInWithOldSession();
    sandbox.settings.chunks = to;
    expect((await person.run(["models"])).code).toBe(0);
    const sent = [...cookiesOf(sandbox.calls("/v1/llm_models").at(-1) ?? never()).keys()];
    const parts = Array.from({ length: to }, (_, i) => `_oauth2_proxy_${i}`);
    expect(sent).toEqual(to === 1 ? ["_oauth2_proxy"] : parts);
    expect(sandbox.front.refreshes).toBe(1);
  });
}

test("where only the first part of a new session comes through, the whole is asked for", async () => {
  const login = await beginLogin(person, sandbox);
  await fetch(await handOff(login.url, sandbox.front.issue("ada", hour).cookie));
  await login.login.finished();
  Object.assign(sandbox.settings, { refreshMs: hour / 2, firstCookieOnly: true, rotates: false });
  const before = await storedCookiesOf(person);
  expect((await person.run(["models"])).code).toBe(0);
  const after = await storedCookiesOf(person);
  for (const name of ["_oauth2_proxy_0", "_oauth2_proxy_1"]) {
    expect(after[name]).toBeString();
    expect(after[name]).not.toBe(before[name] ?? "");
  }
  expect(sandbox.record.filter(({ path }) => path === "/oauth2/auth").length).toBe(1);
  expect((await person.run(["profile", "status"])).code).toBe(0);
});

test("where nobody answers the front's check, it is asked once a minute at most, and the session is used", async () => {
  await logIn(person, sandbox);
  await ageLogin(person);
  sandbox.settings.answersCheck = false;
  const probe = new Probe(person);
  const { url, key } = await probe.started();
  for (let i = 0; i < 10; i++) expect((await ask(url, key)).status).toBe(200);
  // the look before the start asks, and the run takes its word
  expect(sandbox.record.filter(({ path }) => path === "/oauth2/auth").length).toBe(1);
  await probe.stop();
  person = new Person();
});

ciTest("a newer session of another process is adopted in mid-run; the agent sees no error", async () => {
  await logIn(person, sandbox);
  let refused = 0;
  sandbox.settings.answer = async (_seen, response) => {
    // The session ends in the middle of the task, and the person has logged in again in another window by the time this is said.
    refused++;
    sandbox.settings.answer = undefined;
    sandbox.front.revokeAll();
    await logIn(person, sandbox);
    response.writeHead(302, { location: "/oauth2/start?rd=%2F" }).end();
  };
  const { code, out, err } = await person.run(["--task", "work on"], {
    program: codemieClaude,
    env: { PATH: `${claudeFolder}:${person.env.PATH}` },
  });
  expect({ code, err, out: out.trim() }).toEqual({ code: 0, err: "", out: "The sandbox heard: work on" });
  expect(refused).toBe(1);
});

function never(): never {
  throw new Error("no such request");
}
