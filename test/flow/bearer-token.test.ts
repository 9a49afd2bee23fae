import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { claudeFolder, codemie, codemieClaude, Person, withClaude } from "../support/codemie.ts";
import { textBelow } from "../support/files.ts";
import { startGateway } from "../support/gateway.ts";
import { logIn } from "../support/login.ts";
import { otherProcesses, shownOf } from "../support/processes.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";
import { part } from "../support/token.ts";

/** A bearer token for CI: no set-up, no terminal, no home that could be written; stored nowhere. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

test("from the environment, with an empty home: the real Claude Code answers and the token stays with us", async () => {
  const token = await sandbox.front.mintToken("ci");
  let processes = "";
  const watch = () => {
    for (const pid of otherProcesses()) {
      const command = shownOf(pid, "cmdline");
      // our own environment is where the token came from; the agent's must not have it
      processes += command + (command.includes("--settings") ? shownOf(pid, "environ") : "");
    }
  };
  sandbox.settings.answer = (_seen, response) => {
    watch();
    sandbox.settings.answer = undefined;
    const content = [{ type: "text", text: "from CI" }];
    const message = { id: "m", type: "message", role: "assistant", model: "m", content, stop_reason: "end_turn" };
    const events = [
      { type: "message_start", message: { ...message, content: [], usage: { input_tokens: 1, output_tokens: 1 } } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "from CI" } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
      { type: "message_stop" },
    ];
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""));
  };
  const { code, out, err } = await person.run(["--task", "hello", "--base-url", sandbox.origin], {
    program: codemieClaude,
    env: { ...withClaude(person), CODEMIE_JWT_TOKEN: token },
  });
  expect({ code, err, out: out.trim() }).toEqual({ code: 0, err: "", out: "from CI" });
  expect(processes).toContain("ANTHROPIC_BASE_URL");
  expect(processes).not.toContain(token);
  const headers = sandbox.calls("/v1/messages").at(-1)?.headers;
  expect(headers?.authorization).toBe(`Bearer ${token}`);
  expect(headers?.cookie).toBeUndefined();
  expect(existsSync(join(person.codemieHome, "vault"))).toBe(false);
  expect(textBelow(person.root).includes(token)).toBe(false);
});

test("by --jwt-token - and --jwt-token-file nothing is said; on the command line a note is", async () => {
  const token = await sandbox.front.mintToken("ci");
  const file = join(person.root, "token");
  writeFileSync(file, `${token}\n`);
  const base = ["--task", "hello", "--base-url", sandbox.origin];
  person.install("claude", "#!/bin/sh\nexit 0\n");
  const run = (args: string[], stdin?: string) =>
    person.run([...base, ...args], { program: codemieClaude, ...(stdin ? { stdin } : {}) });
  expect(await run(["--jwt-token", "-"], token)).toMatchObject({ code: 0, err: "" });
  expect(await run(["--jwt-token-file", file])).toMatchObject({ code: 0, err: "" });
  const visible = await run([`--jwt-token=${token}`]);
  expect(visible.code).toBe(0);
  expect(visible.err).toStartWith("warning: other users of this machine can see a token on the command line; use ");
  expect(visible.err).not.toContain(token);
  expect((await run([`--jwt-token=${token}`, "--silent"])).err).toBe("");
});

test("a file that rotates is read again, also in mid-run", async () => {
  const file = join(person.root, "token");
  writeFileSync(file, await sandbox.front.mintToken("first"));
  await using gateway = await startGateway(person, ["--base-url", sandbox.origin, "--jwt-token-file", file]);
  const ask = async () => {
    const answer = await gateway.post();
    const sent = String(sandbox.calls("/v1/messages").at(-1)?.headers.authorization).split(".")[1] ?? "";
    return [answer.status, JSON.parse(Buffer.from(sent, "base64url").toString()).sub];
  };
  expect(await ask()).toEqual([200, "first"]);
  writeFileSync(`${file}.new`, await sandbox.front.mintToken("second"));
  renameSync(`${file}.new`, file);
  expect(await ask()).toEqual([200, "second"]);
  // refused upstream, and the file holds a newer one by the time the answer is here
  sandbox.settings.answer = async (_seen, response) => {
    sandbox.settings.answer = undefined;
    writeFileSync(`${file}.new`, await sandbox.front.mintToken("third"));
    renameSync(`${file}.new`, file);
    response.writeHead(302, { location: "/oauth2/start" }).end();
  };
  expect(await ask()).toEqual([200, "third"]);
});

ciTest("a home that cannot be written is no obstacle", async () => {
  const token = await sandbox.front.mintToken("ci");
  const { code, err } = await person.run(["--task", "hello", "--base-url", sandbox.origin], {
    program: codemieClaude,
    env: { ...withClaude(person), CODEMIE_JWT_TOKEN: token, CODEMIE_HOME: "/proc/nowhere" },
  });
  expect({ code, err }).toEqual({ code: 0, err: "" });
});

const header = part({ alg: "RS256" });
const soon = Math.floor(Date.now() / 1000) + 3600;
/** A token whose times are counted from when it is used, s: on a slow machine this file takes minutes. */
const timed = (times: Record<string, number>) => {
  const now = Math.floor(Date.now() / 1000);
  return `${header}.${part(Object.fromEntries(Object.entries(times).map(([name, at]) => [name, now + at])))}.x`;
};
const bad: [string, string | (() => string), string][] = [
  ["two parts", `${header}.${part({})}`, "three base64url parts"],
  ["five parts", `${header}.${part({})}.x.y.z`, "three base64url parts"],
  ["no signature", `${header}.${part({})}.`, "three base64url parts"],
  ["a control character", `${header}.${part({})}.x\u0007`, "three base64url parts"],
  ["a line break in the middle", `${header}.${part({})}\n.x`, "three base64url parts"],
  ["a header that is not JSON", `abc.${part({})}.x`, "not JSON"],
  ["claims that are not an object", `${header}.${part([1])}.x`, "not JSON"],
  ["alg none", `${part({ alg: "none" })}.${part({ exp: soon })}.x`, "alg none"],
  ["alg nOnE", `${part({ alg: "nOnE" })}.${part({ exp: soon })}.x`, "alg none"],
  ["no alg", `${part({ typ: "JWT" })}.${part({ exp: soon })}.x`, "alg none"],
  ["exp as text", `${header}.${part({ exp: "tomorrow" })}.x`, "its exp is not a time"],
  ["exp in ms", `${header}.${part({ exp: Date.now() })}.x`, "its exp is not a time"],
  ["negative nbf", `${header}.${part({ nbf: -1 })}.x`, "its nbf is not a time"],
  ["expired two minutes ago", () => timed({ exp: -120 }), "expired at 20"],
  ["valid in two minutes", () => timed({ nbf: 120, exp: 3600 }), "not valid before 20"],
];
for (const [what, made, says] of cases(bad, 4)) {
  test(`${what}: exit 4 before any request`, async () => {
    const token = typeof made === "string" ? made : made();
    const { code, err, out } = await person.run(["models"], {
      env: { CODEMIE_URL: sandbox.origin, CODEMIE_JWT_TOKEN: token },
    });
    expect({ code, out }).toEqual({ code: 4, out: "" });
    expect(err).toContain(says);
    expect(err).toContain("hint: ");
    expect(err).not.toContain(token);
    expect(sandbox.record).toEqual([]);
  });
}

test("a minute of clock difference is borne", async () => {
  for (const times of [{ exp: -30 }, { nbf: 30, exp: 3600 }]) {
    const { code, err } = await person.run(["profile", "status", "--offline"], {
      env: { CODEMIE_URL: sandbox.origin, CODEMIE_JWT_TOKEN: timed(times) },
    });
    expect(err).not.toContain("bearer token");
    expect([0, 4]).toContain(code);
  }
});

test("a token the host refuses is exit 4, not a login page", async () => {
  const { code, err } = await person.run(["models"], {
    env: { CODEMIE_URL: sandbox.origin, CODEMIE_JWT_TOKEN: `${header}.${part({ exp: soon })}.x` },
  });
  expect(code).toBe(4);
  expect(err).toContain(`${sandbox.origin} did not accept the bearer token`);
});

test("a long-lived token that ends within 7 days is a warning, an hourly one is not", async () => {
  const day = 86_400;
  const issued = Math.floor(Date.now() / 1000) - 20 * day;
  for (const [token, warns] of [
    [await sandbox.front.mintToken("ci", 3600), false],
    [await sandbox.front.mintToken("ci", 3 * day, { iat: issued }), true],
    [await sandbox.front.mintToken("ci", 30 * day), false],
    [await sandbox.front.mintToken("ci", 3600, { iat: undefined }), false], // nobody knows how long it was meant to last
    [await sandbox.front.mintToken("ci", 3 * day, { iat: undefined, nbf: issued }), true],
  ] as const) {
    const gateway = await startGateway(new Person(), ["--base-url", sandbox.origin], { CODEMIE_JWT_TOKEN: token });
    const { err } = await gateway.stop();
    expect(err.includes("warning: the bearer token expires in")).toBe(warns);
  }
});

test("it stands before a stored login, in status too", async () => {
  await logIn(person, sandbox, "ada");
  const env = { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") };
  const { out } = await person.run(["profile", "status", "--json"], { env });
  expect(JSON.parse(out)).toMatchObject({
    method: "jwt",
    user: { name: "ci" },
    expiresFrom: "token",
    authenticated: true,
  });
  expect((await person.run(["profile", "refresh"], { env })).code).toBe(2);
  expect(JSON.parse((await person.run(["profile", "status", "--json"])).out)).toMatchObject({ method: "sso" });
});

ciTest("codemie token prints what it is asked for, and nothing else does", async () => {
  const token = await sandbox.front.mintToken("ci");
  const env = { CODEMIE_JWT_TOKEN: token, CODEMIE_URL: sandbox.origin };
  expect(await person.run(["token"], { env })).toEqual({ code: 0, out: `${token}\n`, err: "" });
  expect((await person.run(["token", "--format", "header"], { env })).out).toBe(`Authorization: Bearer ${token}\n`);
  expect(JSON.parse((await person.run(["token", "--format", "json"], { env })).out)).toMatchObject({
    token,
    type: "bearer",
  });
  expect((await person.run(["token", "--format", "xml"], { env })).code).toBe(2);

  const { cookie } = await logIn(person, sandbox);
  const raw = await person.run(["token"]);
  expect({ code: raw.code, out: raw.out }).toEqual({ code: 2, out: "" });
  const header = (await person.run(["token", "--format", "header"])).out;
  expect(header).toStartWith("Cookie: _oauth2_proxy_0=");
  expect(cookie).toContain(header.slice("Cookie: ".length).trim());
  expect(JSON.parse((await person.run(["token", "--json"])).out)).toMatchObject({ type: "cookie" });
});

ciTest("Claude Code takes it from apiKeyHelper", async () => {
  const token = await sandbox.front.mintToken("ci");
  writeFileSync(join(person.root, "settings.json"), JSON.stringify({ apiKeyHelper: `${codemie} token` }));
  const { code } = await person.run(["-p", "hello", "--settings", join(person.root, "settings.json")], {
    program: join(claudeFolder, "claude"),
    env: {
      CODEMIE_JWT_TOKEN: token,
      CODEMIE_URL: sandbox.origin,
      ANTHROPIC_BASE_URL: `${sandbox.origin}/code-assistant-api`,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    },
  });
  expect(code).toBe(0);
  expect(sandbox.calls("/v1/messages").at(-1)?.headers.authorization).toBe(`Bearer ${token}`);
});
