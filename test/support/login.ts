import { expect } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codemie, type Person, type Running } from "./codemie.ts";
import type { Session } from "./sandbox/front.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";

/** The address of a login's page, and the port of its callback, in what a login prints. */
export const loginUrl = /https?:\/\/\S+\/code-assistant-api\/v1\/auth\/login\/(\d+)/;

/** Starts a login and waits until it can be answered. */
export async function beginLogin(
  person: Person,
  sandbox: Sandbox,
  flags: readonly string[] = [],
): Promise<{ login: Running; url: string; port: number }> {
  const login = person.start(["profile", "login", "--url", sandbox.origin, ...flags]);
  const [url, port] = await login.says(loginUrl);
  return { login, url, port: Number(port) };
}

/** Starts a login that may have no more than so many descriptors, as {@link beginLogin} does. */
export async function beginLoginWith(
  descriptors: number,
  person: Person,
  sandbox: Sandbox,
): Promise<{ login: Running; url: string; port: number }> {
  const args = ["-c", `ulimit -n ${descriptors}; exec "$0" "$@"`, codemie, "profile", "login", "--url", sandbox.origin];
  const login = person.start(args, { program: "sh" });
  const [url, port] = await login.says(loginUrl);
  return { login, url, port: Number(port) };
}

/** Asks the host for the hand-off with a session, as a browser would; returns where the host redirects to. */
export async function handOff(url: string, cookie: string): Promise<string> {
  const answer = await fetch(url, { headers: { cookie }, redirect: "manual" });
  const location = answer.headers.get("location") ?? "";
  expect(location).toStartWith("http://localhost:");
  return location;
}

/** Logs in without the pages; the browser's part is one request. */
export async function logIn(
  person: Person,
  sandbox: Sandbox,
  name = "ada",
  flags: readonly string[] = [],
): Promise<{ cookie: string; session: Session; code: number; out: string; err: string; page: string }> {
  const { login, url } = await beginLogin(person, sandbox, flags);
  const { cookie, session } = sandbox.front.issue(name);
  const answer = await fetch(await handOff(url, cookie));
  const page = await answer.text();
  const finished = await login.finished();
  if (existsSync(person.codemieHome)) tellOfCounting(person);
  return { cookie, session, page, ...finished };
}

/** As after an agent's first run: the person has been told that sessions are counted. */
function tellOfCounting(person: Person): void {
  const sessions = join(person.codemieHome, "sessions");
  mkdirSync(sessions, { recursive: true, mode: 0o700 });
  writeFileSync(join(sessions, "told"), "", { mode: 0o600 });
}

/** The secret texts of a session: what must never be seen outside the vault. */
export function secretsOf(cookie: string): string[] {
  return cookie
    .split("; ")
    .map((pair) => pair.slice(pair.indexOf("=") + 1))
    .filter((value) => value.length > 40)
    .flatMap((value) => [value.slice(0, 64), value.slice(-40)]);
}
