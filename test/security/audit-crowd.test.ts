import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { inNamespace, testWithMounts } from "../support/namespace.ts";
import { sharedSandbox } from "../support/shared.ts";
import { slowDisk } from "../support/slow-disk.ts";
import { soak } from "../support/soak.ts";
import { cases } from "../support/tiers.ts";
import { Worker, workerCommand } from "../support/worker.ts";

/** Threat: what was done is not in the trail, since many did something at once, or the disk was slow or full. */

const sandbox = await sharedSandbox();

const crowd = soak(12, 200);

for (const [disk, syncMs] of cases([
  ["a quick disk", 0],
  ["a disk where a sync takes 20 ms", 20],
] as const)) {
  test(`${crowd} × codemie token at once, on ${disk}: each prints its token, and each has its line`, async () => {
    const person = new Person();
    await logIn(person, sandbox);
    const { env } = slowDisk(person.root, syncMs);
    const all = await Promise.all(
      Array.from({ length: crowd }, () => person.run(["token", "--format", "header"], { env })),
    );
    for (const { code, err } of all) expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(new Set(all.map(({ out }) => out)).size).toBe(1);
    const list = await person.run(["audit", "list", "--event", "token-printed", "--json"]);
    expect(JSON.parse(list.out).length).toBe(crowd);
    expect((await person.run(["audit", "verify"])).out).toContain(`the trail is whole: ${crowd + 1} lines`);
    expect(readdirSync(join(person.codemieHome, "run")).filter((name) => !name.endsWith(".lock"))).toEqual([]);
    person.remove();
  }, 600_000);
}

test("a line costs one sync, and lines that wait for the disk together share one", async () => {
  const root = mkdtempSync(join(tmpdir(), "codemie-syncs-"));
  const { env, syncs } = slowDisk(root, 20);
  const cost = async (word: string) => {
    const before = syncs();
    const worker = new Worker("append-lines.ts", [join(root, "home"), word], word.startsWith("each") ? {} : env);
    expect({ code: await worker.ended, said: worker.output }).toEqual({ code: 0, said: `${word} done\n` });
    return syncs() - before;
  };
  await cost("1"); // the first line makes vault, trail and folder
  expect(await cost("1")).toBe(1);
  expect(await cost("held=40")).toBe(1);
  await cost("each=950");
  // they are in two files now, and the folder has one more
  expect(await cost("held=20")).toBe(3);
  rmSync(root, { recursive: true });
});

test("an event that could not be written down is named, and the next line says that it is missing", async () => {
  const person = new Person();
  await logIn(person, sandbox);
  const lines = join(person.codemieHome, "audit/audit-000001.jsonl");
  const kept = await Bun.file(lines).text();
  rmSync(lines);
  mkdirSync(lines);
  const before = Date.now();
  for (let i = 0; i < 2; i++) {
    const { code, err } = await person.run(["token", "--format", "header"]);
    expect(code).toBe(0);
    expect(err).toContain(`warning: the audit trail could not be written: cannot read ${lines}: it is not a file`);
    expect(err.replaceAll(/\s+/g, " ")).toContain("; it lacks token-printed of profile default");
  }
  rmdirSync(lines);
  await Bun.write(lines, kept);
  expect((await person.run(["profile", "logout"])).err).toBe("");
  const [, missing, logout] = JSON.parse((await person.run(["audit", "list", "--json"])).out);
  expect(missing).toMatchObject({ event: "lines-missing", outcome: "missing" });
  expect(missing.detail).toMatchObject({ lines: 2, events: "token-printed" });
  expect(Date.parse(missing.detail.since)).toBeGreaterThanOrEqual(before);
  expect(logout).toMatchObject({ event: "logout", seq: 3 });
  expect((await person.run(["audit", "verify"])).out).toContain("the trail is whole: 3 lines");
  expect(readdirSync(join(person.codemieHome, "audit")).filter((name) => name.startsWith("missed"))).toEqual([]);
  person.remove();
});

testWithMounts("a full disk: no line is torn, and once there is room the trail says what it lacks", () => {
  const root = mkdtempSync(join(tmpdir(), "codemie-full-"));
  const script = `
    mount -t tmpfs -o size=256k tmpfs $2
    "$0" "$1" $2/home 3
    dd if=/dev/zero of=$2/ballast bs=4k 2>/dev/null
    "$0" "$1" $2/home 30 | sort | uniq -c
    rm $2/ballast
    "$0" "$1" $2/home 1
    cat $2/home/audit/audit-000001.jsonl
    ls $2/home/audit`;
  const said = inNamespace(script, ...workerCommand("append-lines.ts"), root);
  const failed = Number(/(\d+) disk\n/.exec(said)?.[1]);
  expect(failed).toBeGreaterThan(0);
  const lines = said
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  expect(lines.length).toBe(3 + (30 - failed) + 2);
  expect(lines.at(-2)).toMatchObject({ event: "lines-missing", detail: { lines: failed, events: "token-printed" } });
  expect(said.split("\n").filter((line) => line.startsWith("end-")).length).toBe(1);
  expect(said).toContain(`end-${String(lines.length).padStart(12, "0")}-`);
  rmSync(root, { recursive: true });
});
