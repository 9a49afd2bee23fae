import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";

/** Threat: many processes at once, some of which die, lose each other's records or leave a lock behind. */

const record = z.object({ n: z.number(), filler: z.string().length(20_000) });
const seconds = 10;

test(`50 processes writing for ${seconds} s under random kills: nothing lost, nothing unreadable, no stale lock`, async () => {
  const home = mkdtempSync(join(tmpdir(), "codemie-crowd-"));
  const vault = new Vault(vaultFiles(home, {}), Date.now);
  await vault.prepare();
  const names = Array.from({ length: 50 }, (_, i) => `record ${i}`);
  const worker = join(import.meta.dir, "../support/replace-records.ts");
  const start = (name: string) => {
    const child = Bun.spawn(["bun", worker, home, name], { stdio: ["ignore", "pipe", "pipe"] });
    return { name, child };
  };
  let crowd = names.map(start);
  // every one of them has its record before the killing begins
  for (const name of names) while (!(await vault.read(name, record))) await vault.changed(name, "", 60_000);
  let kills = 0;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const victim = crowd[Math.floor(Math.random() * crowd.length)];
    if (!victim) break;
    victim.child.kill("SIGKILL");
    await victim.child.exited;
    kills++;
    expect(await vault.read(victim.name, record)).toBeDefined();
    crowd = crowd.map((one) => (one === victim ? start(victim.name) : one));
  }
  // nobody gave up by itself
  expect(crowd.filter(({ child }) => child.exitCode !== null).length).toBe(0);
  for (const { child } of crowd) child.kill("SIGKILL");
  await Promise.all(crowd.map(({ child }) => child.exited));
  expect(kills).toBeGreaterThan(20);
  for (const name of names) {
    expect(await vault.locked(name, () => vault.read(name, record))).toBeDefined();
    await vault.locked(name, () => vault.write(name, { n: 0, filler: "z".repeat(20_000) }));
  }
  await vault.prepare(); // clears what those killed in their own preparation left
  const left = readdirSync(join(home, "vault"));
  expect(left.filter((name) => name.endsWith(".tmp"))).toEqual([]);
  expect(left.length).toBe(51);
  rmSync(home, { recursive: true });
}, 300_000);
