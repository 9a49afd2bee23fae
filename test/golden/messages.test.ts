import { expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { asCodemieError, type CodemieError, type ErrorCode, exitCodes, failure } from "../../src/core/errors.ts";
import { byMessage, byName, serverWords } from "./message-samples.ts";

/**
 * Every message a person can meet, of every room, stands in `messages.txt` as the person sees it, so that wording is
 * reviewed in one place. After a change of wording on purpose, and for a new message (its samples are in
 * `message-samples.ts`), write the file anew and read the difference:
 *
 *     CODEMIE_UPDATE_GOLDEN=1 bun test test/golden/messages.test.ts
 */
const golden = join(import.meta.dir, "messages.txt");
const src = join(import.meta.dir, "../../src");

/** Messages that leave nothing to do, in one branch at least. */
const withoutHint = [
  "access/passphraseUnusable",
  "api/server",
  "cli/commands/declined",
  "core/interrupted",
  "core/terminated",
  "mcp/cancelled",
  "platform/output",
  "setup/nothingToSave",
];

/** Two messages that read alike for a reason. */
const alike = [
  "api/server and mcp/status", // a status of the host, and one of an MCP server: other codes, other hints
  "cli/commands/exportUnreadable and platform/unreadable", // a file that was named, and one of our own: other codes
  "profiles/badName and setup/badProfileName", // the second is made of the first
];

/** Names a message may begin with although they begin in upper case. */
const names = /^(CODEMIE_[A-Z_]+|Claude Code)\b/;

/** Exit codes by contract: ours, usage, login, network, vault, and the two signals. */
const contract = [1, 2, 4, 5, 6, 130, 143];

type Make = (...args: unknown[]) => CodemieError;
interface Room {
  readonly room: string;
  /** what the code calls the room's failures; empty where the name of the message stands alone */
  readonly called: string;
  readonly make: Record<string, Make>;
}

const files = [...new Glob("**/*.ts").scanSync(src)].sort();
const texts = new Map<string, string>();
for (const file of files) texts.set(file, await Bun.file(join(src, file)).text());

const rooms: Room[] = [
  { room: "core", called: "failure", make: failure as never },
  { room: "core", called: "", make: { asCodemieError } },
];
for (const file of files.filter((name) => name.endsWith("failures.ts"))) {
  const [[called, make] = ["", {}], ...more] = Object.entries(await import(join(src, file)));
  expect({ file, more: more.map(([name]) => name) }).toEqual({ file, more: [] });
  rooms.push({ room: dirname(file), called, make: make as Record<string, Make> });
}

/** The names of a function's parameters, and whether one of them has a default. */
function parametersOf(make: Make): { parameters: string[]; defaults: boolean } {
  const bare = String(make).replace(/"[^"]*"|`[^`]*`/g, "");
  const [, list = ""] = /\(([^)]*)\)/.exec(bare) ?? [];
  const parameters = list.split(",").map((one) => one.replace(/=.*/, "").trim());
  return { parameters: parameters.filter(Boolean), defaults: list.includes("=") };
}

/** One message as it comes out of one call. */
interface Sample {
  readonly id: string;
  readonly args: readonly unknown[];
  /** words of the arguments that a server chose */
  readonly foreign: readonly string[];
  readonly error: CodemieError;
}

const samples: Sample[] = [];
const missing: string[] = [];
const usedNames = new Set<string>();

/** The arguments to make a message with, one list for each way it can end; a message that lacks some is noted. */
function callsOf(id: string, one: Make): readonly (readonly unknown[])[] {
  const { parameters, defaults } = parametersOf(one);
  const branches = defaults || / \?\??\s|\|\||\bif \(/.test(String(one));
  const given = byMessage[id];
  if (branches && (given?.length ?? 1) < 2) missing.push(`${id} branches: it needs a call for each way it can end`);
  if (given) return given;
  for (const parameter of parameters) usedNames.add(parameter);
  const unknown = parameters.filter((parameter) => !Object.hasOwn(byName, parameter));
  if (unknown.length > 0) missing.push(`${id} needs a call, or a sample for ${unknown.join(", ")}`);
  return unknown.length > 0 ? [] : [parameters.map((parameter) => byName[parameter])];
}

for (const { room, make } of rooms) {
  for (const [name, one] of Object.entries(make)) {
    const id = `${room}/${name}`;
    const chosen = parametersOf(one).parameters.map((parameter) => parameter in serverWords);
    for (const args of callsOf(id, one)) {
      const foreign = args.flatMap((arg, at) => (chosen[at] && arg ? [`${arg}`] : []));
      samples.push({ id, args, foreign, error: one(...args) });
    }
  }
}

function shown({ id, error }: Sample): string {
  const lines = [`${id}  ${error.code}, exit code ${error.exitCode}`, `  ${error.message}`];
  if (error.hint !== undefined) lines.push(`  hint: ${error.hint}`);
  if (error.forLog !== undefined) lines.push(`  log: ${error.forLog}`);
  return `${lines.join("\n")}\n`;
}

test("every message has samples, and every sample a message", () => {
  const known = samples.map(({ id }) => id);
  const stale = Object.keys(byMessage).filter((id) => !known.includes(id));
  const idle = Object.keys(byName).filter((name) => !usedNames.has(name) && !(name in serverWords));
  expect({ missing, stale, idle }).toEqual({ missing: [], stale: [], idle: [] });
});

test("the messages are those of messages.txt; CODEMIE_UPDATE_GOLDEN=1 writes it anew", async () => {
  const now = samples.map(shown).join("\n");
  if (process.env.CODEMIE_UPDATE_GOLDEN === "1") await Bun.write(golden, now);
  expect(now).toBe(await Bun.file(golden).text());
});

test("messages, hints and logs keep to the house rules", () => {
  const wrong: string[] = [];
  for (const { id, args, error } of samples) {
    for (const text of [error.message, error.hint, error.forLog]) {
      if (text === undefined) continue;
      const begin = /^[^A-Z]/.test(text) || names.test(text) || args.some((arg) => text.startsWith(`${arg}`));
      if (!begin) wrong.push(`${id} begins in upper case: ${text}`);
      if (/[.!]$/.test(text)) wrong.push(`${id} ends with a full stop: ${text}`);
      if (/ {2}|^ | $|[\r\n\t]|undefined|\[object/.test(text)) wrong.push(`${id} has a stray space or value: ${text}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("every message says what to do, but for a few that leave nothing to do", () => {
  const without = samples.filter(({ error }) => !error.hint).map(({ id }) => id);
  expect([...new Set(without)].sort()).toEqual(withoutHint);
});

test("what a server said is in no log", () => {
  const told = samples.filter(({ error, foreign }) => foreign.some((words) => error.forLog?.includes(words)));
  expect(told.map(({ id }) => id)).toEqual([]);
});

test("no sentence stands in two places", () => {
  const first = new Map<string, string>();
  const twice = new Set<string>();
  for (const { id, args, error } of samples) {
    const given = args.flatMap((arg) => (arg ? [`${arg}`] : [])).toSorted((a, b) => b.length - a.length);
    const sentence = given.reduce((text, arg) => text.replaceAll(arg, "…"), error.message);
    const before = first.get(sentence) ?? id;
    first.set(sentence, before);
    if (before !== id) twice.add(`${before} and ${id}`);
  }
  expect([...twice].sort()).toEqual(alike);
});

test("every code has an exit code of the contract and a message", () => {
  const used = new Set(samples.map(({ error }) => error.code));
  expect((Object.keys(exitCodes) as ErrorCode[]).filter((code) => !used.has(code))).toEqual([]);
  expect(Object.values(exitCodes).filter((code) => !contract.includes(code))).toEqual([]);
});

test("messages are made in failures.ts only, and each is used", () => {
  // A gateway in the background hands its failure over as it is.
  const makers = ["core/errors.ts", "daemon/detach.ts"];
  const elsewhere = files.filter(
    (file) => !file.endsWith("failures.ts") && !makers.includes(file) && texts.get(file)?.includes("new CodemieError("),
  );
  const unused = rooms.flatMap(({ room, called, make }) => {
    const others = files.filter((file) => file !== join(room, "failures.ts")).map((file) => texts.get(file) ?? "");
    const isUsed = (name: string) =>
      others.some((text) => new RegExp(`\\b${called && `${called}\\.`}${name}\\b`).test(text));
    return Object.keys(make).flatMap((name) => (isUsed(name) ? [] : [`${room}/${name}`]));
  });
  expect({ elsewhere, unused }).toEqual({ elsewhere: [], unused: [] });
});
