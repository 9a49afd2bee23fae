import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer, type SecureVersion } from "node:tls";
import { commandMs, Forwarder } from "../../src/audit/forward.ts";
import type { Receiver } from "../../src/audit/receiver.ts";
import { Person } from "../support/codemie.ts";
import { certificateFor } from "../support/corporate.ts";
import { textBelow } from "../support/files.ts";
import { appendLines, letRest, numbersIn, progressOf, range } from "../support/forwarding.ts";
import { logIn, secretsOf } from "../support/login.ts";
import { runWithSilentNames, testWithNetwork } from "../support/namespace.ts";
import { OtlpCollector } from "../support/otlp-collector.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/**
 * Threat: a stranger has the audit trail sent to himself; a receiver, or somebody in its place, holds commands up, makes
 * lines get lost, or learns a secret.
 */

const sandbox = await sharedSandbox();
const ada = await sharedLogin(sandbox);
const pair = await certificateFor("127.0.0.1");
let person: Person;
const ends: (() => void)[] = [];
beforeEach(() => {
  person = ada.copy();
  const authority = join(person.root, "authority.pem");
  writeFileSync(authority, pair.cert);
  person.env.CODEMIE_CA_CERTS = authority;
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
  person.remove();
});

const set = (value: string) => person.run(["config", "set", "auditForward", value]);
const act = () => person.run(["config", "set", "timeout", "600"]);

/** Starts a server of the test's own. @returns its port */
async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** A receiver that does as told with each connection, in TLS or before it. */
async function receiver(
  each: (socket: Socket) => void,
  isTls: boolean,
  maxVersion: SecureVersion = "TLSv1.3",
): Promise<{ port: number; met: Socket[] }> {
  const met: Socket[] = [];
  const meet = (socket: Socket) => {
    met.push(socket);
    socket.on("error", () => undefined);
    each(socket);
  };
  const options = { key: pair.private, cert: pair.cert, allowHalfOpen: true, maxVersion };
  const server = isTls ? createTlsServer(options, meet) : createServer({ allowHalfOpen: true }, meet);
  const port = await listening(server);
  ends.push(() => {
    for (const socket of met) socket.destroy();
    server.close();
  });
  return { port, met };
}

test("a repository's file and the environment send the trail nowhere", async () => {
  using thief = new OtlpCollector();
  mkdirSync(join(person.cwd, ".codemie"));
  const file = {
    version: 2,
    activeProfile: "default",
    auditForward: thief.value,
    profiles: { default: { model: "claude-haiku-4-5", auditForward: thief.value } },
  };
  writeFileSync(join(person.cwd, ".codemie/codemie-cli.config.json"), JSON.stringify(file));
  writeFileSync(
    join(person.cwd, ".env"),
    `CODEMIE_AUDIT_FORWARD=${thief.value}\nOTEL_EXPORTER_OTLP_ENDPOINT=${thief.url}\n`,
  );
  const env = {
    CODEMIE_AUDIT_FORWARD: thief.value,
    CODEMIE_AUDITFORWARD: thief.value,
    OTEL_EXPORTER_OTLP_ENDPOINT: thief.url,
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: thief.url,
  };
  expect((await person.run(["config", "set", "timeout", "60"], { env })).code).toBe(0);
  expect((await person.run(["token", "--format", "header"], { env })).code).toBe(0);
  expect((await person.run(["config", "get", "auditForward"], { env })).code).toBe(1);
  expect(thief.requests).toEqual([]);

  // Nor do they change where it goes once it goes somewhere.
  using own = new OtlpCollector();
  await person.run(["config", "set", "auditForward", own.value], { env });
  await person.run(["config", "set", "timeout", "60"], { env });
  expect(thief.requests).toEqual([]);
  expect(own.requests).toHaveLength(2);
});

/** Receivers that hold us up or take nothing, each with what `auditForward` is for them. */
const stubborn: [string, () => Promise<{ value: string; met: () => number }>][] = [
  ["accepts a connection and is silent", () => overTls(() => undefined, false)],
  ["reads all and never closes", () => overTls((socket) => socket.resume(), true)],
  [
    "resets the connection once it has the lines",
    () => overTls((socket) => socket.on("data", () => socket.resetAndDestroy()), true),
  ],
  // With TLS 1.2 the receiver speaks last in the handshake, so that its end comes right behind.
  ["closes before it reads", () => overTls((socket) => socket.end(), true, "TLSv1.2")],
  ["closes the connection in the handshake", () => overTls((socket) => socket.destroy(), false)],
  ["sends without end", () => overTls(flood, true)],
  ["is a collector that is silent", () => overHttp(() => undefined)],
  ["is a collector whose answer never ends", () => overHttp((socket) => void socket.write(head))],
  [
    "is a collector whose answer never ends, and is long",
    () =>
      overHttp((socket) => {
        socket.write(head);
        flood(socket);
      }),
  ],
  [
    "is a collector that resets the connection",
    () => overHttp((socket) => socket.once("data", () => socket.resetAndDestroy())),
  ],
];
const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n";
const piece = `4000\r\n${" ".repeat(0x4000)}\r\n`;

function flood(socket: Socket): void {
  const more = () => {
    if (!socket.destroyed && socket.write(piece)) setImmediate(more);
  };
  socket.on("drain", more);
  more();
}

async function overTls(each: (socket: Socket) => void, isTls: boolean, maxVersion?: SecureVersion) {
  const { port, met } = await receiver(each, isTls, maxVersion);
  return { value: `syslog+tls://127.0.0.1:${port}`, met: () => met.length };
}

async function overHttp(each: (socket: Socket) => void) {
  const { port, met } = await receiver(each, false);
  return { value: `otlp:http://127.0.0.1:${port}`, met: () => met.length };
}

for (const [what, start] of cases(stubborn, 2)) {
  test(`a receiver that ${what} holds no command up for longer than its limit, and no line is lost`, async () => {
    const { value, met } = await start();
    const first = await set(value);
    // It ended by itself, while the receiver still did what it does.
    expect({ code: first.code, err: first.err }).toEqual({ code: 0, err: "" });
    expect(met()).toBeGreaterThan(0);
    expect(progressOf(person)).toMatchObject({ seq: 1, trouble: { failures: 1 } });
    // The commands after it do not wait again: nobody even connects.
    const tries = met();
    writeRest(60_000);
    for (let i = 0; i < 3; i++) expect((await act()).code).toBe(0);
    expect(met()).toBe(tries);
    using collector = new OtlpCollector();
    await set(collector.value);
    expect(numbersIn(collector.lines)).toEqual(range(2, 6));
  });
}

/** Makes the pause of a receiver in trouble longer, for a machine that is slow. */
function writeRest(ms: number): void {
  const progress = progressOf(person);
  progress.trouble.until = Date.now() + ms;
  writeFileSync(join(person.codemieHome, "audit/forwarded.json"), JSON.stringify(progress));
}

test("a receiver that is silent: the command says what it has to say before it waits, and the wait is bounded", async () => {
  const { value } = await overTls(() => undefined, false);
  const running = person.start(["config", "set", "auditForward", value]);
  await running.says(/auditForward is now/);
  const start = performance.now();
  await running.finished();
  // The limit, and what a busy machine takes to end a process.
  expect(performance.now() - start).toBeLessThan(commandMs + 20_000);
});

testWithNetwork("name servers that are silent hold no command up either", async () => {
  for (const value of ["syslog+tls://logs.example.com", "otlp:https://logs.example.com"]) {
    const start = performance.now();
    const { code, err } = await runWithSilentNames(person, ["config", "set", "auditForward", value]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    // The system itself goes on asking for minutes.
    expect(performance.now() - start).toBeLessThan(commandMs + 20_000);
    expect(progressOf(person)).toMatchObject({ to: value, trouble: { failures: 1 } });
  }
});

test("many processes at the same time: one sends, and each line arrives", async () => {
  using collector = new OtlpCollector();
  await set(collector.value);
  const kinds = await Promise.all(Array.from({ length: 6 }, act));
  expect(kinds.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0]);
  await act();
  expect(numbersIn(collector.lines)).toEqual(range(2, 9));
});

test("a command that meets a process at work leaves its line to it, and does not wait", async () => {
  using collector = new OtlpCollector();
  await set(collector.value);
  await appendLines(person, 1);
  const [asked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const sent: string[] = [];
  const receiver: Receiver = {
    async send(lines) {
      asked.resolve();
      await go.promise;
      sent.push(...lines.map(({ text }) => text));
      return { done: lines.length };
    },
  };
  const atWork = new Forwarder(person.codemieHome, {
    destination: async () => collector.value,
    receiver: async () => receiver,
    warn: () => undefined,
    now: Date.now,
  }).forward(60_000);
  await asked.promise;
  expect((await act()).code).toBe(0);
  expect(numbersIn(collector.lines)).toEqual([2]);
  go.resolve();
  await atWork;
  expect(numbersIn(sent)).toEqual([3, 4]);
});

test("a process killed while it sends loses nothing", async () => {
  using collector = new OtlpCollector();
  const asked = Promise.withResolvers<void>();
  collector.answering = () => {
    asked.resolve();
    return new Promise<Response>(() => undefined);
  };
  const running = person.start(["config", "set", "auditForward", collector.value]);
  await asked.promise;
  running.kill("SIGKILL");
  await running.finished();
  collector.answering = () => undefined;
  await act();
  expect(numbersIn(collector.lines)).toEqual([2, 3]);
});

test("a collector that refuses half a line: nothing is sent again and again, and nothing from before the setting", async () => {
  using collector = new OtlpCollector();
  const asked: string[] = [];
  for (const rejectedLogRecords of [0.5, -1, 1e300]) {
    collector.answering = (bodies) => {
      asked.push(...bodies);
      return Response.json({ partialSuccess: { rejectedLogRecords } });
    };
    await set(collector.value);
    await act();
  }
  expect(Math.min(...numbersIn(asked))).toBe(2);
  expect(collector.requests.length).toBeLessThan(15);
});

test("damaged, or from a clock that was wrong, the file with the progress stops nothing", async () => {
  using collector = new OtlpCollector();
  await set(collector.value);
  const file = join(person.codemieHome, "audit/forwarded.json");
  const trouble = { why: "x", failures: 3, until: Date.now() + 10 ** 10 };
  writeFileSync(file, JSON.stringify({ ...progressOf(person), trouble }));
  await act();
  expect(numbersIn(collector.lines)).toEqual([2, 3]);
  for (const text of ["", "{", '{"seq":"x"}', "null"]) {
    writeFileSync(file, text);
    collector.lines.length = 0;
    await act();
    expect(numbersIn(collector.lines)[0]).toBe(1);
    expect(progressOf(person).seq).toBe(numbersIn(collector.lines).at(-1));
  }
});

for (const variable of cases([undefined, "NODE_TLS_REJECT_UNAUTHORIZED"])) {
  test(`a wrong certificate: no line goes there${variable ? `, whatever ${variable} says` : ""}`, async () => {
    const other = await certificateFor("127.0.0.1");
    const seen: string[] = [];
    const server = createTlsServer({ key: other.private, cert: other.cert }, (socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (data) => seen.push(String(data)));
    });
    server.on("tlsClientError", () => undefined);
    const port = await listening(server);
    ends.push(() => void server.close());
    const elsewhere = await certificateFor("logs.example.com");
    const env: Record<string, string> = variable ? { [variable]: "0" } : {};
    using collector = new OtlpCollector({ key: other.private, cert: other.cert });
    using misnamed = new OtlpCollector({ key: elsewhere.private, cert: elsewhere.cert });
    writeFileSync(person.env.CODEMIE_CA_CERTS ?? "", pair.cert + elsewhere.cert);
    for (const value of [`syslog+tls://127.0.0.1:${port}`, collector.value, misnamed.value]) {
      expect((await person.run(["config", "set", "auditForward", value], { env })).code).toBe(0);
      const { trouble } = progressOf(person);
      expect(trouble.why).toContain("the certificate of");
    }
    expect([seen, collector.requests, misnamed.requests]).toEqual([[], [], []]);
  });
}

test("with the company's certificate authority, lines go over TLS to a collector", async () => {
  using collector = new OtlpCollector({ key: pair.private, cert: pair.cert });
  await set(collector.value);
  expect(numbersIn(collector.lines)).toEqual([2]);
});

test("no line that goes away holds a secret: not the session, not the vault's or the trail's key", async () => {
  using collector = new OtlpCollector();
  const bob = new Person();
  try {
    bob.writeConfig({ version: 2, auditForward: collector.value, profiles: {} });
    const { cookie, code } = await logIn(bob, sandbox);
    expect(code).toBe(0);
    expect((await bob.run(["token", "--format", "header"])).code).toBe(0);
    await bob.run(["profile", "logout"]);
    expect(numbersIn(collector.lines)).toEqual(range(1, collector.lines.length));
    expect(collector.lines.join()).toContain("token-printed");
    const sent = collector.requests.join("\n");
    for (const secret of secretsOf(cookie)) expect(sent).not.toContain(secret);
    const key = await Bun.file(join(bob.codemieHome, "vault.key")).text();
    expect(sent).not.toContain(key.trim().slice(-40));
    // What is kept beside the trail says how far the receiver is, and nothing else.
    expect(textBelow(join(bob.codemieHome, "audit"))).not.toContain(cookie);
  } finally {
    bob.remove();
  }
});

test("what a receiver answers does not reach the terminal as it is, and fills nothing", async () => {
  using collector = new OtlpCollector();
  const errorMessage = `\u001b]0;owned\u0007${"long ".repeat(2_000)}`;
  collector.answering = () => Response.json({ partialSuccess: { rejectedLogRecords: 1, errorMessage } });
  const { err } = await set(collector.value);
  expect(err).not.toContain("\u001b");
  expect(err.length).toBeLessThan(1_000);
  const doctor = await person.run(["doctor"]);
  expect(doctor.out).not.toContain("\u001b");
  expect(JSON.stringify(progressOf(person)).length).toBeLessThan(1_000);
});

ciTest("the receiver's pace does not hold the login's lock: a gateway that renews waits for nobody", async () => {
  const { value, met } = await overTls(() => undefined, false);
  await set(value);
  letRest(person);
  await appendLines(person, 1);
  const gateway = person.start(["proxy", "start", "--json"]);
  const [, url, key] = await gateway.says(/"url":"([^"]+)","key":"([^"]+)"/);
  const answer = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  expect(answer.status).toBe(200);
  gateway.kill("SIGTERM");
  expect((await gateway.finished()).code).toBe(0);
  expect(met()).toBeGreaterThan(1);
});
