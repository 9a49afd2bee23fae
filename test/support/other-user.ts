import { test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: only root can act as another user");

/** A test in which somebody else acts: skipped where the tests do not run as root, on Linux. */
export const testWithOthers = test.skipIf(!isRoot || process.platform !== "linux");

/** The number of a user who is neither root nor anybody else. */
export const someone = 12_345;
export const someoneElse = 12_346;

/** @returns the command by which root runs another one as this user */
export const commandOf = (user: number, ...command: string[]): string[] => [
  ...["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups"],
  ...command,
];

/** How a visit is made; `answered` waits for the answer, the others differ in one thing. */
export type Manner = "answered" | "hangs-up" | "resets" | "mapped" | "from-127.0.0.5";

/** How many descriptors a process may have in tests that use them up. */
export const fewDescriptors = 128;

/**
 * Uses up a login's descriptors as another user (`fewDescriptors` of them), with a callback's address in hand.
 *
 * @param pid the login
 * @returns `ask`: requests the address on a connection from before, and returns the status; `end`: lets all of them go
 */
export async function flood(
  user: number,
  address: string,
  pid: number,
): Promise<{ ask(): Promise<string>; end(): Promise<void> }> {
  const flooder = join(import.meta.dir, "flooder.ts");
  const child = Bun.spawn(commandOf(user, process.execPath, flooder, address, String(2 * fewDescriptors)), {
    cwd: "/",
    env: { PATH: process.env.PATH ?? "" },
    stdin: "pipe",
    stderr: "inherit",
  });
  const lines = child.stdout.getReader();
  const line = async () => new TextDecoder().decode((await lines.read()).value).trim();
  if ((await line()) !== "connected") throw new Error("the flooder did not connect");
  while (descriptorsOf(pid) < fewDescriptors) await new Promise(setImmediate);
  return {
    ask: () => {
      child.stdin.write("ask\n");
      child.stdin.flush();
      return line();
    },
    end: async () => {
      child.stdin.end();
      await child.exited;
      // Each closed connection keeps its descriptor until the process looks at it, or ends.
      while (descriptorsOf(pid) > fewDescriptors / 2) await new Promise(setImmediate);
    },
  };
}

/** @returns how many descriptors a process has; none once it has ended */
function descriptorsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return existsSync(folder) ? readdirSync(folder).length : 0;
}

/**
 * Requests an address as another user.
 *
 * @returns the status and the body of the answer, `0` where the visitor did not wait for it
 */
export async function visit(user: number, address: string, manner: Manner = "answered"): Promise<string> {
  const visitor = join(import.meta.dir, "visitor.ts");
  const command = commandOf(user, process.execPath, visitor, address, manner);
  const child = Bun.spawn(command, { cwd: "/", env: { PATH: process.env.PATH ?? "" }, stderr: "inherit" });
  return await child.stdout.text();
}
