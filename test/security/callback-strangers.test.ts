import { expect, test } from "bun:test";
import { connect } from "node:net";
import { Person } from "../support/codemie.ts";
import { beginLogin, handOff } from "../support/login.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: whoever finds the callback's port (a page, a scanner, another program) ends or spoils the login. */

const sandbox = await sharedSandbox();

const junkHandoff = btoa(JSON.stringify({ hello: "world" }));

/** name → what the stranger sends, and the status it gets */
const strangers: [string, (port: number) => Promise<number>, number][] = [
  ["favicon", (port) => get(port, "/favicon.ico"), 404],
  ["the root", (port) => get(port, "/"), 404],
  ["another path", (port) => get(port, "/auth/"), 404],
  ["an encoded path", (port) => get(port, "/%61uth?token=x"), 404],
  ["no token", (port) => get(port, "/auth"), 400],
  ["junk", (port) => get(port, "/auth?token=junk"), 400],
  ["JSON that is no hand-off", (port) => get(port, `/auth?token=${junkHandoff}`), 400],
  ["POST", (port) => get(port, "/auth?token=x", { method: "POST", body: "x" }), 405],
  ["HEAD", (port) => get(port, "/auth?token=x", { method: "HEAD" }), 405],
  ["OPTIONS", (port) => get(port, "/auth", { method: "OPTIONS" }), 405],
  ["a wrong Host", (port) => get(port, "/auth?token=x", { headers: { host: `evil.example:${port}` } }), 421],
  ["an empty Host", (port) => raw(port, "GET /auth?token=x HTTP/1.1\r\nHost:\r\n\r\n"), 421],
  [
    "an absolute target",
    (port) => raw(port, "GET http://evil.example/auth?token=x HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    421,
  ],
  ["a script's fetch", (port) => get(port, "/auth?token=x", { headers: { "sec-fetch-mode": "cors" } }), 403],
  [
    "an image",
    (port) => get(port, "/auth?token=x", { headers: { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" } }),
    403,
  ],
  [
    "a frame",
    (port) => get(port, "/auth?token=x", { headers: { "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" } }),
    403,
  ],
  ["2 MB", (port) => get(port, `/auth?token=${"A".repeat(2_000_000)}`), 431],
  ["no HTTP at all", (port) => raw(port, "\u0016\u0003\u0001\u0002\r\n\r\n"), 400],
];

for (const [name, send, status] of cases(strangers)) {
  test(`${name}: answered, and the login goes on`, async () => {
    const person = new Person();
    const { login, url, port } = await beginLogin(person, sandbox);
    expect(await send(port)).toBe(status);
    expect(await (await fetch(await handOff(url, sandbox.front.issue("ada").cookie))).text()).toContain(
      "You are logged in",
    );
    expect((await login.finished()).code).toBe(0);
    person.remove();
  });
}

test("the callback is taken once", async () => {
  const person = new Person();
  const { login, url } = await beginLogin(person, sandbox);
  const first = await fetch(await handOff(url, sandbox.front.issue("ada").cookie), { redirect: "manual" });
  expect(first.status).toBe(303);
  const again = await fetch(await handOff(url, sandbox.front.issue("mallory").cookie));
  expect(await again.text()).toContain("already over");
  const page = await fetch(new URL(first.headers.get("location") ?? "", first.url));
  expect(await page.text()).toContain("Ada");
  const { code, out } = await login.finished();
  expect(out).toContain("Ada");
  expect(code).toBe(0);
  person.remove();
});

test("the callback listens on loopback and nowhere else", async () => {
  const person = new Person();
  const { login, port } = await beginLogin(person, sandbox);
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const sockets = await Promise.all(
    ["/proc/net/tcp", "/proc/net/tcp6"].map((file) =>
      Bun.file(file)
        .text()
        .catch(() => ""),
    ),
  );
  const local = sockets.join("\n").match(new RegExp(`[0-9A-F]+:${hex} 0+:0000 0A`, "g")) ?? [];
  expect(local.length).toBeGreaterThan(0);
  for (const entry of local) {
    expect(["0100007F", "00000000000000000000000001000000"]).toContain(entry.split(":")[0] ?? "");
  }
  login.kill("SIGINT");
  await login.finished();
  person.remove();
});

async function get(port: number, target: string, init: RequestInit = {}): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}${target}`, { ...init, redirect: "manual" });
  await answer.text();
  return answer.status;
}

/** Sends bytes as they are and returns the status of the answer. */
function raw(port: number, bytes: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.once("data", (data) => {
      resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(data.toString())?.[1]));
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
