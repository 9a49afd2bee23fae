import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";

/** Threat: a crash, or a battery that dies, in the middle of storing a credential. */

const record = z.object({ n: z.number(), filler: z.string().length(20_000) });

test("500 kills at random moments of a replacement: the old or the new record opens every time", async () => {
  const home = mkdtempSync(join(tmpdir(), "codemie-kill-"));
  const vault = new Vault(vaultFiles(home, {}), Date.now);
  await vault.prepare();
  await vault.locked("r", () => vault.write("r", { n: -1, filler: "x".repeat(20_000) }));
  let newest = -1;
  let moved = 0;
  let halfWay = 0;
  const leftovers = () => readdirSync(join(home, "vault")).filter((name) => name.endsWith(".tmp"));
  const worker = join(import.meta.dir, "../support/replace-records.ts");
  for (let kills = 0; kills < 500; kills++) {
    const child = Bun.spawn(["bun", worker, home, "r"], { stdio: ["ignore", "pipe", "inherit"] });
    await child.stdout.getReader().read();
    await Bun.sleep(Math.random() * 15);
    child.kill("SIGKILL");
    await child.exited;
    if (leftovers().length > 0) halfWay++;
    // No stale lock: it is there for the taking at once, and the record under it is whole.
    const read = await vault.locked("r", () => vault.read("r", record));
    expect(read).toBeDefined();
    if (read && read.n !== newest) moved++;
    newest = read?.n ?? newest;
  }
  // most kills fell after a replacement, and some fell into one: else this test would prove nothing
  expect(moved).toBeGreaterThan(100);
  expect(halfWay).toBeGreaterThan(10);
  await vault.locked("r", () => vault.write("r", { n: 0, filler: "y".repeat(20_000) }));
  expect(leftovers()).toEqual([]);
  rmSync(home, { recursive: true });
}, 600_000);
