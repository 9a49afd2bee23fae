import { afterEach, beforeEach, expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { refusing, type ScriptedProvider, startScriptedProvider } from "../support/scripted-provider.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** A login by device code, and a provider that is slow, in trouble, or says odd things while it is asked. */

let provider: ScriptedProvider;
let person: Person;
beforeEach(async () => {
  provider = await startScriptedProvider();
  person = new Person();
});
afterEach(async () => {
  person.remove();
  await provider.stop();
});

const page = (status: number) => new Response("<html>no</html>", { status, headers: { "content-type": "text/html" } });

/** Answers the polls one after the other, then with tokens. */
function polls(...answers: (Response | "drop")[]): void {
  provider.answer = (path) => (path === "/token" ? answers.shift() : undefined);
}

const pollCount = () => provider.asked.filter((path) => path === "/token").length;

const troubles = {
  "a connection that breaks": () => "drop" as const,
  "429": () => refusing("rate", 429),
  "503": () => page(503),
  "500": () => page(500),
  "408": () => page(408),
  temporarily_unavailable: () => refusing("temporarily_unavailable"),
};

test(`polls answered by ${Object.keys(troubles).join(", ")}: each login goes on, and says so`, async () => {
  const logins = Object.values(troubles).map(async (trouble) => {
    const [own, somebody] = [await startScriptedProvider(), new Person()];
    let polled = 0;
    own.answer = (path) => (path === "/token" && polled++ === 0 ? trouble() : undefined);
    const { code, err } = await own.logIn(somebody).finished();
    somebody.remove();
    await own.stop();
    return { code, polled, warnings: err.match(/warning: the identity provider/g)?.length };
  });
  expect(await Promise.all(logins)).toEqual(Array(logins.length).fill({ code: 0, polled: 2, warnings: 1 }));
}, 60_000);

ciTest(
  "two polls in a row that fail are told once",
  async () => {
    polls(page(503), refusing("rate", 429));
    const { code, err } = await provider.logIn(person).finished();
    expect([code, pollCount()]).toEqual([0, 3]);
    expect(err.match(/warning: the identity provider/g)).toHaveLength(1);
  },
  60_000,
);

ciTest(
  "a poll that is never answered: goes on",
  async () => {
    let first = true;
    provider.answer = async (path) => {
      if (path !== "/token" || !first) return undefined;
      first = false;
      return await new Promise<never>(() => undefined);
    };
    const { code, err } = await provider.logIn(person).finished();
    expect([code, pollCount()]).toEqual([0, 2]);
    expect(err.match(/warning: the identity provider/g)).toHaveLength(1);
  },
  90_000,
);

ciTest(
  "the pace of the polls follows slow_down, without a word",
  async () => {
    polls(refusing("slow_down"), refusing("authorization_pending"));
    const { code, err } = await provider.logIn(person).finished();
    expect([code, err.includes("warning")]).toEqual([0, false]);
  },
  60_000,
);

for (const [what, make, says] of cases([
  ["a redirect", () => Response.redirect("https://example.com/", 302), "redirects"],
  ["a page", () => page(200), "answered 200"],
  ["403 of a firewall", () => page(403), "answered 403"],
  ["400 without a body", () => new Response("", { status: 400 }), "refused: 400"],
] as const)) {
  test(`a poll answered by ${what} ends the login`, async () => {
    polls(make());
    const { code, err } = await provider.logIn(person).finished();
    expect([code > 0, pollCount()]).toEqual([true, 1]);
    expect(err).toContain(says);
  });
}

test("a refusal that no table knows, by a name that every object has", async () => {
  polls(refusing("constructor"));
  const { code, err } = await provider.logIn(person).finished();
  expect([code, err]).toEqual([4, expect.stringContaining("hint: check --client-id and --scope\n")]);
});

for (const [error, hint] of cases([
  ["expired_token", "hint: run the command again, and enter the new code sooner"],
  ["access_denied", "hint: the login was declined; run the command again to allow it"],
] as const)) {
  test(`${error}: the hint says what to do`, async () => {
    polls(refusing(error));
    const { code, err } = await provider.logIn(person).finished();
    expect([code, err]).toEqual([4, expect.stringContaining(hint)]);
    expect(err).not.toContain("--client-id");
  });
}

test("a code that ends before the time limit: the hint says to enter the next one sooner", async () => {
  provider.device = { expires_in: 1 };
  provider.answer = (path) => (path === "/token" ? refusing("authorization_pending") : undefined);
  const { code, err } = await provider.logIn(person).finished();
  expect([code, err]).toEqual([
    4,
    expect.stringContaining("hint: run the command again, and enter the new code sooner"),
  ]);
});

for (const device of cases([
  { interval: 0 },
  { interval: "1" },
  { interval: "1", expires_in: "600" },
  { expires_in: null },
  { verification_uri: undefined, verification_url: "URL" },
  { verification_uri: null, verification_url: "URL" },
])) {
  test(`a device answer with ${JSON.stringify(device)} is taken`, async () => {
    const made = "verification_url" in device ? { ...device, verification_url: `${provider.origin}/google` } : device;
    provider.device = made;
    const { code, err } = await provider.logIn(person).finished();
    expect([code, err.match(/error.*/)?.[0]]).toEqual([0, undefined]);
    expect(err).toContain("verification_url" in device ? "/google" : "/enter");
  });
}

test("a provider whose rules forbid device codes: the hint names the way without", async () => {
  provider.answer = (path) => (path === "/device" ? refusing("unauthorized_client") : undefined);
  const { code, err } = await provider.logIn(person).finished();
  expect([code, err.replaceAll(/\s+/g, " ")]).toEqual([
    4,
    expect.stringContaining("log in without --device: where the browser"),
  ]);
});

test("a code whose end is a text ends", async () => {
  provider.device = { expires_in: "1" };
  provider.answer = (path) => (path === "/token" ? refusing("authorization_pending") : undefined);
  const { err } = await provider.logIn(person).finished();
  expect(err).toContain("enter the new code sooner");
});

// --- words
