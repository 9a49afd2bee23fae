import { afterAll, beforeEach, expect, onTestFinished, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { Person, withClaude } from "../support/codemie.ts";
import { Pty } from "../support/pty.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";

/** A host that takes connections and is silent: who waits for it reads so, and is not logged out. */

const sockets = new Set<Socket>();
let wake: () => void = () => undefined;
const server = createServer((socket) => {
  sockets.add(socket);
  socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  wake();
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = server.address();
const origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
afterAll(() => void server.close());

const sandbox = await sharedSandbox();
const ada = await sharedLogin(sandbox);
const token = await sandbox.front.mintToken("ci");
const given = { CODEMIE_URL: origin, CODEMIE_JWT_TOKEN: token };

/** Waits for this many connections. */
async function connected(count: number): Promise<void> {
  while (sockets.size < count) await new Promise<void>((resolve) => (wake = resolve));
}

function hangUp(): void {
  for (const socket of sockets) socket.destroy();
}

let person: Person;
beforeEach(() => {
  person = new Person();
  onTestFinished(() => {
    hangUp();
    person.remove();
  });
});

for (const args of [
  ["profile", "status"],
  ["claude", "--task", "hello"],
  ["proxy", "start"],
  ["profile", "login", origin],
] as const) {
  test(`codemie ${args.slice(0, 2).join(" ")} says what it waits for, and that it is unreachable`, async () => {
    const running = person.start([...args], { env: { ...withClaude(person), ...given } });
    await running.says(new RegExp(`^waiting for ${origin}…$`, "m"));
    hangUp();
    const { code, out, err } = await running.finished();
    expect([code, `${out}${err}`.includes("not logged in")]).toEqual([5, false]);
    expect(err).toContain(`error: cannot reach ${origin}`);
  });
}

test("a status does not wait half a minute", async () => {
  const { code, out, err } = await person.run(["profile", "status"], { env: given });
  expect([code, out]).toEqual([5, expect.stringContaining("which cannot be checked now")]);
  expect(err).toContain(`error: cannot reach ${origin}: no answer in time`);
}, 25_000);

test("with --json and --silent nothing is said", async () => {
  const env = { ...withClaude(person), ...given };
  const quiet = [
    person.start(["profile", "status", "--json"], { env }),
    person.start(["claude", "--silent", "--task", "hello"], { env }),
  ];
  await connected(2); // their time began before
  const loud = person.start(["profile", "status"], { env });
  await loud.says(/waiting for/);
  hangUp();
  await loud.finished();
  const [status, agent] = await Promise.all(quiet.map((one) => one.finished()));
  expect([status?.err, agent?.code, quiet.map(({ output }) => output.includes("waiting for"))]).toEqual([
    "",
    5,
    [false, false],
  ]);
  expect(JSON.parse(status?.out ?? "")).toMatchObject({
    authenticated: false,
    reachable: false,
    problem: { code: "unreachable" },
    user: { name: "ci" },
  });
});

test("on a terminal a spinner says it, and leaves nothing behind", async () => {
  const pty = new Pty(person, ["profile", "status"], given);
  await pty.shows(/waiting for http/);
  hangUp();
  expect(await pty.ended()).toBe(5);
  const last = pty.screen.lastIndexOf("waiting for");
  expect(pty.screen.slice(last)).toContain("\r\u001b[K");
  expect(pty.screen.slice(last)).toContain("which cannot be checked now");
});

test("a stored login and a key of a host that is not there are not logged out; a refused one is", async () => {
  const copy = ada.copy();
  onTestFinished(() => copy.remove());
  sandbox.settings.userFailure = { status: 503, type: "application/json", body: "{}" };
  const trouble = JSON.parse((await copy.run(["profile", "status", "--json"])).out);
  expect(trouble).toMatchObject({ authenticated: false, reachable: true, problem: { code: "server_error" } });
  expect((await copy.run(["profile", "status"])).out).toContain("which cannot be checked now");
  sandbox.reset();
  sandbox.front.revokeAll();
  const over = JSON.parse((await copy.run(["profile", "status", "--json"])).out);
  expect(over).toMatchObject({ authenticated: false, reachable: true, problem: { code: "auth_expired" } });
  expect((await copy.run(["profile", "status"])).out).toContain("✗ not logged in");
  person.writeConfig({
    version: 2,
    activeProfile: "p",
    profiles: { p: { name: "p", provider: "openai", baseUrl: "http://127.0.0.1:1/v1", authMethod: "manual" } },
  });
  const key = await person.run(["profile", "status"], { env: { CODEMIE_API_KEY: "sk-12345678901234567890" } });
  expect([key.code, key.out.includes("which cannot be checked now")]).toEqual([5, true]);
});
