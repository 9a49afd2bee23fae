import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";
import { soak } from "../support/soak.ts";
import { Worker } from "../support/worker.ts";

/** Threat: many processes at once, some of which die, lose each other's records or leave a lock behind. */

const record = z.object({ n: z.number(), filler: z.string().length(20_000) });
const kills = soak(20, 400);
const processes = soak(20, 50);

test(`${processes} processes writing under ${kills} random kills: nothing lost, nothing unreadable, no stale lock`, async () => {
  const home = mkdtempSync(join(tmpdir(), "codemie-crowd-"));
  const vault = new Vault(vaultFiles(home, {}), Date.now);
  await vault.prepare();
  const names = Array.from({ length: processes }, (_, i) => `record ${i}`);
  const start = (name: string) => ({ name, worker: new Worker("replace-records.ts", [home, name]) });
  let crowd = names.map(start);
  // every one of them has its record before the killing begins
  await Promise.all(crowd.map(({ worker }) => worker.says("stored")));
  for (let killed = 0; killed < kills; killed++) {
    const victim = crowd[Math.floor(Math.random() * crowd.length)];
    if (!victim) break;
    victim.worker.kill("SIGKILL");
    await victim.worker.ended;
    expect(await vault.read(victim.name, record)).toBeDefined();
    crowd = crowd.map((one) => (one === victim ? start(victim.name) : one));
    // nobody gives up by itself
    expect(crowd.filter(({ worker }) => worker.hasEnded).map(({ worker }) => worker.output)).toEqual([]);
  }
  await Promise.all(crowd.map(({ worker }) => worker.says("stored")));
  for (const { worker } of crowd) worker.kill("SIGKILL");
  await Promise.all(crowd.map(({ worker }) => worker.ended));
  for (const name of names) {
    expect(await vault.locked(name, () => vault.read(name, record))).toBeDefined();
    await vault.locked(name, () => vault.write(name, { n: 0, filler: "z".repeat(20_000) }));
  }
  await vault.prepare(); // clears what those killed in their own preparation left
  const left = readdirSync(join(home, "vault"));
  expect(left.filter((name) => name.endsWith(".tmp"))).toEqual([]);
  expect(left.length).toBe(processes + 1);
  rmSync(home, { recursive: true });
}, 300_000);
