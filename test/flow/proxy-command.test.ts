import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { hello } from "../support/gateway.ts";
import { logIn } from "../support/login.ts";
import { shownOf } from "../support/processes.ts";
import { endProxies, type StartedProxy, startDetached } from "../support/proxy.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** `codemie proxy start|status|stop`: the gateway without an agent of ours. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
let person: Person;
beforeEach(async () => {
  person = loggedIn.copy();
});
afterEach(() => endProxies(person));

const post = ({ url, key }: StartedProxy, init: RequestInit = {}) =>
  fetch(`${url}/v1/messages`, { method: "POST", body: hello, headers: { authorization: `Bearer ${key}` }, ...init });

function statusOf({ url, key }: StartedProxy): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, "content-length": 2 };
    const sent = request(`${url}/v1/messages`, { method: "POST", headers, agent: false }, (answer) => {
      answer.resume().on("end", () => resolve(answer.statusCode));
    });
    sent.on("error", reject).end("{}");
  });
}

/** Starts it in the foreground and waits for its line. */
async function foreground(args: readonly string[] = [], env: Record<string, string> = {}) {
  const running = person.start(["proxy", "start", "--json", ...args], { env });
  const [line] = await running.says(/\{"url".*\}/);
  return { running, started: JSON.parse(line) as StartedProxy };
}

const detached = (...options: [args?: readonly string[], env?: Record<string, string>]) =>
  startDetached(person, ...options);

/** Makes the host hold a stream open until it is told to end it. */
function heldStream() {
  const end = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  sandbox.settings.answer = async (_seen, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: 1\n\n");
    response.on("close", closed.resolve);
    await end.promise;
    response.end("data: 2\n\n");
  };
  return { end: end.resolve, closed: closed.promise };
}

test("--json says where it listens in one line, once it does", async () => {
  const { running, started } = await foreground();
  expect(Object.keys(started)).toEqual(["url", "key", "pid", "relay"]);
  expect(started.pid).toBe(running.pid);
  expect(Buffer.from(started.key, "base64url")).toHaveLength(32);
  expect((await post(started)).status).toBe(200);
  running.kill("SIGTERM");
  const { code, out } = await running.finished();
  expect({ code, lines: out.trim().split("\n").length }).toEqual({ code: 0, lines: 1 });
});

test("detached it lives on, is shown, and is stopped", async () => {
  const started = await detached();
  expect((await post(started)).status).toBe(200);
  const status = await person.run(["proxy", "status", "--json"]);
  expect(JSON.parse(status.out)).toMatchObject([
    { profile: "default", url: started.url, pid: started.pid, host: sandbox.origin, answers: true, forwarded: 1 },
  ]);
  expect((await person.run(["proxy", "stop"])).code).toBe(0);
  expect(await post(started).catch(() => "gone")).toBe("gone");
  expect((await person.run(["proxy", "status"])).code).toBe(1);
  const events = JSON.parse((await person.run(["audit", "list", "--json"])).out).map(
    ({ event }: { event: string }) => event,
  );
  expect(events).toEqual(["login", "proxy-start", "proxy-stop"]);
});

test("it is in a session of its own, and holds no pipe of who started it", async () => {
  const { pid } = await detached();
  const session = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[3];
  expect(Number(session)).toBe(pid);
});

test("many agents use it at once, more than the runtime's 256 requests", async () => {
  for (const start of [detached, async () => (await foreground()).started]) {
    const started = await start();
    let arrived = 0;
    const all = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    sandbox.settings.answer = async (_seen, response) => {
      if (++arrived === 300) all.resolve();
      await go.promise;
      response.end("{}");
    };
    // not by `fetch`, whose own limit the test runs under
    const statuses = Array.from({ length: 300 }, () => statusOf(started));
    await all.promise;
    go.resolve();
    expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]));
    expect((await person.run(["proxy", "stop"])).code).toBe(0);
  }
});

test("deleting a profile says that its gateway still runs, and how to end it", async () => {
  person.editConfig(({ profiles }) => {
    profiles.other = { codeMieUrl: sandbox.origin };
  });
  const { pid } = await detached(["--profile", "other"], { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") });
  const { code, err } = await person.run(["profile", "delete", "other", "--yes"]);
  const said = `its gateway (process ${pid}) still runs: codemie proxy stop --profile other ends it`;
  expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining(said) });
  expect((await person.run(["proxy", "stop", "--profile", "other"])).code).toBe(0);
  person.editConfig(({ profiles }) => {
    profiles.other = { codeMieUrl: sandbox.origin };
  });
  expect((await person.run(["profile", "delete", "other", "--yes"])).err).not.toContain("gateway");
});

test("one per profile; profiles beside each other", async () => {
  const first = await detached();
  const second = await person.run(["proxy", "start", "--detach", "--json"]);
  expect(second.code).toBe(1);
  expect(JSON.parse(second.out).error.message).toContain(first.url);
  const token = await sandbox.front.mintToken("ci");
  person.editConfig(({ profiles }) => {
    profiles.other = { codeMieUrl: sandbox.origin };
  });
  await detached(["--profile", "other"], { CODEMIE_JWT_TOKEN: token });
  expect(JSON.parse((await person.run(["proxy", "status", "--json"])).out)).toHaveLength(2);
  const stop = await person.run(["proxy", "stop"]);
  expect(stop.code).toBe(2);
  expect(stop.err).toContain("default, other");
  expect((await person.run(["proxy", "stop", "--profile", "other"])).code).toBe(0);
  expect(JSON.parse((await person.run(["proxy", "status", "--json"])).out)).toHaveLength(1);
});

ciTest("a fixed port by flag and by CODEMIE_PROXY_PORT; a taken one is an error, never another", async () => {
  const holder = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const taken = String(holder.port);
  for (const [args, env] of [
    [["--port", taken], {}],
    [[], { CODEMIE_PROXY_PORT: taken }],
    [["--detach"], { CODEMIE_PROXY_PORT: taken }],
  ] as [string[], Record<string, string>][]) {
    const { code, out } = await person.run(["proxy", "start", "--json", ...args], { env });
    expect({ code, error: JSON.parse(out).error.code }).toEqual({ code: 1, error: "port_taken" });
  }
  await holder.stop(true);
  const { running, started } = await foreground(["--port", taken], { CODEMIE_PROXY_PORT: "1" });
  expect(started.url).toBe(`http://127.0.0.1:${taken}`);
  running.kill("SIGTERM");
  await running.finished();
  for (const value of ["0", "65536", "x", "80 "]) {
    expect((await person.run(["proxy", "start"], { env: { CODEMIE_PROXY_PORT: value } })).code).toBe(2);
  }
});

test("SIGTERM lets a stream end, and refuses new requests meanwhile", async () => {
  const { running, started } = await foreground(["--drain", "30"]);
  const { end } = heldStream();
  const reader = (await post(started)).body?.getReader();
  await reader?.read();
  running.kill("SIGTERM");
  await running.says(/running requests get 30 s/);
  const late = await post(started).then(
    (answer) => answer.status,
    () => 503,
  );
  expect(late).toBe(503);
  end();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("data: 2\n\n");
  expect((await reader?.read())?.done).toBe(true);
  expect((await running.finished()).code).toBe(0);
});

test("what has not ended by then is broken off, and it still exits 0", async () => {
  const { running, started } = await foreground(["--drain", "1"]);
  const { closed } = heldStream();
  const reader = (await post(started)).body?.getReader();
  await reader?.read();
  running.kill("SIGTERM");
  expect((await running.finished()).code).toBe(0);
  await expect(reader?.read() ?? Promise.resolve()).rejects.toThrow();
  await closed;
});

test("a second signal ends it at once", async () => {
  const signals: [NodeJS.Signals, number][] = [
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ];
  for (const [signal, code] of signals) {
    const { running, started } = await foreground(["--drain", "100"]);
    heldStream();
    const reader = (await post(started)).body?.getReader();
    await reader?.read();
    running.kill(signal);
    await running.says(/running requests get 100 s/);
    running.kill(signal);
    expect((await running.finished()).code).toBe(code);
    await reader?.cancel().catch(() => undefined);
  }
});

test("what is wrong is said before it listens", async () => {
  const stranger = new Person();
  for (const args of [[], ["--detach"]]) {
    const { code, out } = await stranger.run(["proxy", "start", "--url", sandbox.origin, "--json", ...args]);
    expect({ code, error: JSON.parse(out).error.code }).toEqual({ code: 4, error: "auth_needed" });
  }
  stranger.remove();
});

ciTest("a session that ends is a 401 with the command; a new login is taken up without a restart", async () => {
  const { session } = await logIn(person, sandbox);
  const started = await detached();
  session.revoked = true;
  const refused = await post(started);
  expect(refused.status).toBe(401);
  expect(JSON.stringify(await refused.json())).toContain(`codemie profile login --profile default`);
  expect((await logIn(person, sandbox)).code).toBe(0);
  expect((await post(started)).status).toBe(200);
  // logged out altogether, and in again
  expect((await person.run(["profile", "logout"])).code).toBe(0);
  expect((await post(started)).status).toBe(401);
  expect((await logIn(person, sandbox)).code).toBe(0);
  expect((await post(started)).status).toBe(200);
});

test("a bearer token by flag reaches the detached gateway, and no process list or file", async () => {
  const token = await sandbox.front.mintToken("ci");
  const stranger = new Person();
  const args = ["proxy", "start", "--detach", "--json", "--url", sandbox.origin, "--jwt-token", "-"];
  const { code, out } = await stranger.run(args, { stdin: token });
  expect(code).toBe(0);
  const started = JSON.parse(out) as StartedProxy;
  expect((await post(started)).status).toBe(200);
  expect(sandbox.calls("/v1/messages").at(-1)?.headers.authorization).toBe(`Bearer ${token}`);
  for (const name of ["cmdline", "environ"] as const) expect(shownOf(started.pid, name)).not.toContain(token);
  expect((await stranger.run(["proxy", "stop"])).code).toBe(0);
  stranger.remove();
});

test("a home that cannot be written: in the foreground it runs, and says what is missing", async () => {
  const token = await sandbox.front.mintToken("ci");
  const env = { CODEMIE_HOME: "/proc/codemie", CODEMIE_JWT_TOKEN: token };
  const { running, started } = await foreground(["--url", sandbox.origin], env);
  expect((await post(started)).status).toBe(200);
  expect(running.output).toContain("codemie proxy status and stop will not know this gateway");
  running.kill("SIGTERM");
  expect((await running.finished()).code).toBe(0);
});

test("its files are for their owner only, and gone when it has ended", async () => {
  await detached();
  const run = join(person.codemieHome, "run");
  for (const name of readdirSync(run))
    expect({ name, mode: statSync(join(run, name)).mode & 0o077 }).toEqual({ name, mode: 0 });
  expect(statSync(join(person.codemieHome, "logs/proxy-default.log")).mode & 0o777).toBe(0o600);
  expect((await person.run(["proxy", "stop"])).code).toBe(0);
  expect(existsSync(join(run, "proxy-default.json"))).toBe(false);
});
