import { expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitForChange } from "../../src/platform/files.ts";

test("a change is not missed, though the runtime loses some: also while the last one is looked at", async () => {
  for (let round = 0; round < 20; round++) {
    const folder = mkdtempSync(join(tmpdir(), "codemie-watch-"));
    const file = join(folder, "file");
    writeFileSync(file, "");
    const isWhole = async () => {
      await Bun.sleep(Math.random() * 3);
      return readFileSync(file, "utf8").length === 30;
    };
    const seen = waitForChange(folder, 600_000, isWhole);
    for (let i = 0; i < 30; i++) {
      appendFileSync(file, "x");
      if (i % 2) await Bun.sleep(Math.random() * 2);
    }
    expect(await seen).toBe(true);
    rmSync(folder, { recursive: true });
  }
}, 60_000);

test("a folder that is not there is an error, and nothing that changes in time is false", async () => {
  expect(waitForChange("/nowhere", 10, async () => false)).rejects.toMatchObject({ code: "vault_unreadable" });
  const folder = mkdtempSync(join(tmpdir(), "codemie-watch-"));
  expect(await waitForChange(folder, 10, async () => false)).toBe(false);
  rmSync(folder, { recursive: true });
});
