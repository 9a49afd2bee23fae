import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";
import { soak } from "../support/soak.ts";
import { Worker } from "../support/worker.ts";

/** Threat: a crash, or a battery that dies, in the middle of storing a credential. */

const record = z.object({ n: z.number(), filler: z.string().length(20_000) });

const kills = soak(18, 500);

test(`${kills} kills at random moments of a replacement: the old or the new record opens every time`, async () => {
  const home = mkdtempSync(join(tmpdir(), "codemie-kill-"));
  const vault = new Vault(vaultFiles(home, {}), Date.now);
  await vault.prepare();
  await vault.locked("r", () => vault.write("r", { n: -1, filler: "x".repeat(20_000) }));
  let newest = -1;
  let moved = 0;
  let halfWay = 0;
  const leftovers = () => readdirSync(join(home, "vault")).filter((name) => name.endsWith(".tmp"));
  let killed = 0;
  // as many more as it takes on this machine until one fell into a replacement: else this test would prove nothing
  for (; killed < kills || (halfWay === 0 && killed < 50 * kills); killed++) {
    const worker = new Worker("replace-records.ts", [home, "r"]);
    await worker.says("stored");
    await Bun.sleep(Math.random() * 15);
    worker.kill("SIGKILL");
    await worker.ended;
    if (leftovers().length > 0) halfWay++;
    // No stale lock: it is there for the taking at once, and the record under it is whole.
    const read = await vault.locked("r", () => vault.read("r", record));
    expect(read).toBeDefined();
    if (read && read.n !== newest) moved++;
    newest = read?.n ?? newest;
  }
  expect(moved).toBe(killed);
  expect(halfWay).toBeGreaterThan(0);
  await vault.locked("r", () => vault.write("r", { n: 0, filler: "y".repeat(20_000) }));
  expect(leftovers()).toEqual([]);
  rmSync(home, { recursive: true });
}, 600_000);
