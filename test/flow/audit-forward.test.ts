import { afterEach, beforeEach, expect, onTestFinished, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Person } from "../support/codemie.ts";
import { appendLines, lastLine, letRest, numbersIn, progressOf, range } from "../support/forwarding.ts";
import { startGateway } from "../support/gateway.ts";
import { OtlpCollector } from "../support/otlp-collector.ts";
import { hasRsyslog, Rsyslog } from "../support/rsyslog.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { soak } from "../support/soak.ts";
import { cases } from "../support/tiers.ts";

/** The audit trail goes on to a receiver, as it is written: a real rsyslog, and a strict stand-in for a collector. */

const sandbox = await sharedSandbox();
const ada = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = ada.copy();
});
afterEach(() => person.remove());

const set = (value: string) => person.run(["config", "set", "auditForward", value]);
/** An event, and with it a reason to send what there is. */
const act = () => person.run(["config", "set", "timeout", "600"]);
const doctorOf = async () => {
  const { out } = await person.run(["doctor", "--json"]);
  return JSON.parse(out).checks.find(({ id }: { id: string }) => id === "audit-forward");
};

/** The file that a receiver wrote, for `codemie audit verify --from`. */
function received(lines: readonly string[]): string {
  const file = join(person.root, "received.log");
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return file;
}

async function rsyslog(): Promise<Rsyslog> {
  const one = await Rsyslog.start();
  onTestFinished(() => one.remove());
  const authority = join(person.root, "authority.pem");
  writeFileSync(authority, one.certificate);
  person.env.CODEMIE_CA_CERTS = authority;
  return one;
}

test.skipIf(!hasRsyslog)(
  "rsyslog over TLS has every line, in order, over a restart, and what it wrote verifies",
  async () => {
    const log = await rsyslog();
    expect((await set(`syslog+tls://127.0.0.1:${log.port}`)).code).toBe(0);
    await log.wrote(2); // the change itself is the first that goes there; the login before it stays here
    const half = soak(30, 500);
    const write = async (lines: number) => {
      for (let left = lines; left > 0; left -= 10) {
        await appendLines(person, Math.min(left, 10));
        expect((await act()).code).toBe(0);
      }
    };
    await write(half);
    const before = await lastLine(person);
    await log.wrote(before);
    // While it is away, and while it comes back, lines go on being written.
    const restart = log
      .stop()
      .then(() => act())
      .then(() => log.start());
    await Promise.all([restart, write(half)]);
    const gateway = person.start(["proxy", "start"]);
    await gateway.says(/http:/);
    // Nobody does anything any more: the gateway alone tries again.
    const last = await lastLine(person);
    await log.wrote(last);
    gateway.kill("SIGTERM");
    await gateway.finished();
    letRest(person);
    await act();
    await log.wrote(last + 2);
    expect([...new Set(log.numbers())]).toEqual(range(2, last + 2));
    const verified = await person.run(["audit", "verify", "--from", log.file, "--json"]);
    expect(JSON.parse(verified.out)).toMatchObject({ ok: true, first: 2, last: last + 2, isFirstProven: true });
    expect(await doctorOf()).toMatchObject({
      status: "ok",
      message: expect.stringContaining(`all up to line ${last + 2}`),
    });
  },
);

test.skipIf(!hasRsyslog)(
  "rsyslog on this machine's socket has every line, as facility 13 with the line's own time",
  async () => {
    const log = await rsyslog();
    expect((await set(`syslog:${log.socket}`)).code).toBe(0);
    await appendLines(person, 40); // more than a socket's queue holds
    await act();
    await log.wrote(43);
    const lines = readFileSync(log.file, "utf8").trimEnd().split("\n");
    const own = readFileSync(join(person.codemieHome, "audit/audit-000001.jsonl"), "utf8").trimEnd().split("\n");
    const change = JSON.parse(own[1] ?? "");
    expect(lines[0]).toMatch(/^<110>1 \S+ \S+ codemie - config-changed - \{"seq":2,/);
    expect(lines[0]).toContain(` ${change.time.replace("Z", "")}`);
    expect(log.numbers()).toEqual(range(2, 43));
    expect((await person.run(["audit", "verify", "--from", log.file])).out).toContain("lines 2 to 43 are as written");

    await log.stop();
    await appendLines(person, 3);
    expect((await act()).code).toBe(0);
    expect(progressOf(person)).toMatchObject({
      seq: 43,
      trouble: { failures: 1, why: expect.stringContaining(log.socket) },
    });
    await log.start();
    letRest(person);
    await act();
    await log.wrote(48);
    expect(log.numbers()).toEqual(range(2, 48));
  },
);

test("a collector gets requests as the specification has them, and each line once", async () => {
  using collector = new OtlpCollector();
  expect((await set(collector.value)).code).toBe(0);
  await appendLines(person, 3);
  await person.run(["config", "set", "timeout", "soon"]); // wrong usage is no event
  await act();
  expect(collector.faults).toEqual([]);
  expect(numbersIn(collector.lines)).toEqual(range(2, 6));
  const own = readFileSync(join(person.codemieHome, "audit/audit-000001.jsonl"), "utf8").trimEnd().split("\n");
  expect(collector.lines).toEqual(own.slice(1));
  const [{ resource, scopeLogs }] = JSON.parse(collector.requests[0] ?? "").resourceLogs;
  expect(resource.attributes).toContainEqual({ key: "service.name", value: { stringValue: "codemie" } });
  const { time } = JSON.parse(collector.lines[0] ?? "");
  expect(scopeLogs[0].logRecords[0]).toMatchObject({
    timeUnixNano: `${Date.parse(time)}000000`,
    severityNumber: 9,
    eventName: "codemie.audit.config-changed",
  });
  // As a collector's own file has it: OTLP in JSON, a request a line.
  const verified = await person.run(["audit", "verify", "--from", received(collector.requests), "--json"]);
  expect(JSON.parse(verified.out)).toEqual({
    ok: true,
    entries: 5,
    first: 2,
    last: 6,
    repeats: 0,
    isFirstProven: true,
    here: 6,
  });
});

const html = () => new Response("<html>Log in</html>", { headers: { "content-type": "text/html" } });
const later: [string, () => Response, RegExp, number][] = [
  ["429 with Retry-After", () => new Response("{}", { status: 429, headers: { "retry-after": "90" } }), /429/, 80_000],
  ["a page for people", html, /no answer of a collector/, 200_000],
  ["503", () => new Response("", { status: 503 }), /503/, 0],
  [
    "400 with a page",
    () => new Response("<p>Bad", { status: 400, headers: { "content-type": "text/html" } }),
    /400/,
    200_000,
  ],
  ["401", () => new Response("", { status: 401 }), /401/, 200_000],
  ["a redirect", () => Response.redirect("https://elsewhere.example/v1/logs", 307), /307/, 200_000],
  ["500", () => new Response("", { status: 500 }), /500/, 200_000],
  ["an answer without end", () => new Response("x".repeat(100_000)), /more than/, 0],
];
for (const [what, answer, why, pauseMs] of cases(later, 3)) {
  test(`${what}: the collector is left alone, no line is lost, and doctor says why`, async () => {
    using collector = new OtlpCollector();
    collector.answering = answer;
    const { code, err } = await set(collector.value);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(collector.requests).toHaveLength(1);
    const { trouble } = progressOf(person);
    expect(trouble.why).toMatch(why);
    expect(trouble.until - Date.now()).toBeGreaterThan(pauseMs - 60_000);
    await act();
    expect(collector.requests).toHaveLength(trouble.until > Date.now() ? 1 : 2);
    expect(await doctorOf()).toMatchObject({ status: "warning", message: expect.stringMatching(why) });
    collector.answering = () => undefined;
    letRest(person);
    await act();
    expect(numbersIn(collector.lines)).toEqual(range(2, 4));
    expect(await doctorOf()).toMatchObject({ status: "ok" });
  });
}

test("a line that the collector refuses for good is told of once, and the others arrive", async () => {
  using collector = new OtlpCollector();
  expect((await set(collector.value)).code).toBe(0);
  await appendLines(person, 3);
  const isBad = (body: string) => JSON.parse(body).seq === 4;
  collector.answering = (bodies) => (bodies.some(isBad) ? new Response("", { status: 400 }) : undefined);
  const { code, err } = await act();
  expect(code).toBe(0);
  expect(err).toContain("warning: the receiver of the audit trail will never take a line");
  expect(numbersIn(collector.lines)).toEqual([2, 3, 5, 6]);
  expect((await act()).err).toBe("");
  expect(numbersIn(collector.lines)).toEqual([2, 3, 5, 6, 7]);
  expect(await doctorOf()).toMatchObject({ status: "warning", message: expect.stringContaining("never take 1") });
  const verified = await person.run(["audit", "verify", "--from", received(collector.lines)]);
  expect(verified).toMatchObject({ code: 1, err: expect.stringContaining("line 4 is missing before it") });
});

test("a partial success is not sent again, and told of", async () => {
  using collector = new OtlpCollector();
  collector.answering = () =>
    Response.json({ partialSuccess: { rejectedLogRecords: "1", errorMessage: "too \u001b[31mold" } });
  const { code, err } = await set(collector.value);
  expect(code).toBe(0);
  expect(err).toContain("will never take a line");
  expect(err).not.toContain("\u001b");
  collector.answering = () => Response.json({ partialSuccess: { errorMessage: "a word of warning" } });
  expect((await act()).err).toBe("");
  expect(collector.requests).toHaveLength(2);
  expect(progressOf(person)).toMatchObject({ seq: 3, refused: { lines: 1 } });
});

test("what a command could not send is sent while an agent runs", async () => {
  using collector = new OtlpCollector();
  collector.answering = () => new Response("", { status: 503 });
  await set(collector.value);
  letRest(person);
  const arrived = Promise.withResolvers<void>();
  collector.answering = () => {
    arrived.resolve();
    return undefined;
  };
  const gateway = await startGateway(person);
  await arrived.promise; // the agent still runs
  await gateway.stop();
  expect(numbersIn(collector.lines)).toEqual([2, 3]);
  expect(JSON.parse(collector.lines[1] ?? "").event).toBe("agent-run");
});

test("another receiver goes on where the one before stopped; one that is taken away gets the line that says so", async () => {
  using one = new OtlpCollector();
  using other = new OtlpCollector();
  await set(one.value);
  one.answering = () => new Response("", { status: 503 });
  await act();
  await set(other.value);
  expect(numbersIn(one.lines)).toEqual([2]);
  expect(numbersIn(other.lines)).toEqual([3, 4]);
  expect((await person.run(["config", "unset", "auditForward"])).code).toBe(0);
  expect(JSON.parse(other.lines.at(-1) ?? "")).toMatchObject({
    seq: 5,
    detail: { what: "unset", setting: "auditForward" },
  });
  await act();
  expect(other.requests).toHaveLength(2);
  // Set again, it goes on: what was written meanwhile is no gap.
  await set(other.value);
  expect(numbersIn(other.lines)).toEqual(range(3, 7));
});

test("set in the file by hand, it begins with the next line; a trail begun anew is sent from its first line", async () => {
  using collector = new OtlpCollector();
  person.editConfig((config) => {
    config.auditForward = collector.value;
  });
  await act();
  expect(numbersIn(collector.lines)).toEqual([2]);
  const [file, mac] = [join(person.codemieHome, "audit/forwarded.json"), "of another trail"];
  writeFileSync(file, JSON.stringify({ ...progressOf(person), mac }));
  await act();
  expect(numbersIn(collector.lines)).toEqual([2, 1, 2, 3]);
  const verified = await person.run(["audit", "verify", "--from", received(collector.lines)]);
  expect(verified.out).toContain("lines 1 to 3 are as written; 1 came again");
});

const bad = [
  "https://collector.example.com:4318",
  "syslog+tls://user:hunter2@logs.example.com",
  "syslog://logs.example.com",
  "syslog+tcp://127.0.0.1:514",
  "syslog+tls://logs.example.com:99999",
  "syslog:relative",
  "otlp:http://collector.example.com:4318",
  "otlp:https://user:hunter2@collector.example.com",
  "otlp:https://collector.example.com/?key=hunter2",
  "",
  "off",
];
for (const value of cases(bad, 3)) {
  test(`auditForward ${JSON.stringify(value)} is refused with a hint, on the command line and in the file`, async () => {
    if (value !== "") {
      const { code, err } = await set(value);
      expect(code).toBe(2);
      expect(err).toContain("hint: for example syslog:");
      expect(err).not.toContain("hunter2");
    }
    person.editConfig((config) => {
      config.auditForward = value;
    });
    const read = await person.run(["profile", "list"]);
    expect(read.code).toBe(1);
    expect(read.err).toMatch(/line \d+, auditForward: /);
    expect(read.err).not.toContain("hunter2");
  });
}

test("the setting counts for all profiles, and is listed, read and removed like others", async () => {
  const { out } = await set("SYSLOG+TLS://Logs.example.com");
  expect(out).toContain("auditForward is now SYSLOG+TLS://Logs.example.com");
  expect(person.config().auditForward).toBe("SYSLOG+TLS://Logs.example.com");
  expect((await person.run(["config", "get", "auditforward"])).out).toBe("SYSLOG+TLS://Logs.example.com\n");
  expect((await person.run(["config", "list", "--sources"])).out).toMatch(/^auditForward +SYSLOG\S+ +configuration$/m);
  const named = await person.run(["config", "set", "auditForward", "syslog:", "--profile", "default"]);
  expect(named).toMatchObject({ code: 2, err: expect.stringContaining("counts for all profiles") });
  expect((await person.run(["config", "unset", "auditForward", "--json"])).out).toContain('"profile":null');
  expect((await person.run(["config", "get", "auditForward"])).code).toBe(1);
});

test("verify --from names what is missing, changed or another's, and passes over what is no line of the trail", async () => {
  await appendLines(person, 9);
  const { out } = await person.run(["audit", "export"]);
  const lines = out.trimEnd().split("\n");
  const verify = (some: readonly string[]) => person.run(["audit", "verify", "--from", received(some)]);
  const syslog = lines.map((line) => `<110>1 2026-11-27T12:00:00.000Z host codemie - refresh - ${line}`);
  const mixed = await verify(["Nov 27 12:00:00 host sshd[1]: hello", "", ...syslog, syslog[4] ?? "", syslog[5] ?? ""]);
  expect(mixed).toMatchObject({ code: 0, out: expect.stringContaining("lines 1 to 10 are as written; 2 came again") });
  const wrong: [string[], string][] = [
    [lines.toSpliced(3, 2), "it is line 6 of the trail, and lines 4 to 5 are missing before it"],
    [lines.with(4, (lines[4] ?? "").replace('"ok"', '"no"')), "line 5 of the trail was changed"],
    [[...lines, (lines[4] ?? "").replace('"ok"', '"no"')], "line 5 of the trail is another one than at 5"],
    [lines.with(9, (lines[9] ?? "").slice(0, -20)), "it holds no whole line of the trail"],
    [
      lines.with(4, (lines[4] ?? "").replace('"actor":', '"actor":"mallory","actor":')),
      "line 5 of the trail was changed",
    ],
    [['{"body":{"stringValue":"{\\"seq\\":\\q"}}'], "it holds no whole line of the trail"],
    [["nothing"], "there is no line of the audit trail in"],
  ];
  for (const [some, why] of wrong) {
    const { code, err } = await verify(some);
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining(why) });
  }
  const begun = await verify(lines.slice(5));
  expect(begun).toMatchObject({ code: 0, out: expect.stringContaining("lines 6 to 10 are as written") });
  const behind = await verify(lines.slice(0, 5));
  expect(behind.err).toContain("the trail of this machine goes on to line 10");
  expect((await person.run(["audit", "verify", "--from", "nowhere.log"])).code).toBe(2);
});

test("export --follow goes on with each line as it is written, until it is stopped", async () => {
  const running = person.start(["audit", "export", "--follow"]);
  await running.says(/^\{"seq":1,.*\n$/m);
  await act();
  await running.says(/^\{"seq":2,.*"config-changed"/m);
  await appendLines(person, 3);
  await running.says(/^\{"seq":5,/m);
  running.kill("SIGINT");
  const { code, out } = await running.finished();
  expect(code).toBe(130);
  const exported = await person.run(["audit", "export"]);
  expect(out).toBe(exported.out);
  expect((await person.run(["audit", "export", "--follow", "--json"])).code).toBe(2);
});
