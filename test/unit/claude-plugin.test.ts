import { expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layOutPlugin } from "../../src/agents/claude-plugin.ts";
import { within } from "../../src/core/time.ts";
import { withLock } from "../../src/platform/lock.ts";

/** The plugin that counts Claude Code's sessions, under the base folder. */

test("while another run lays it out, a run waits, and takes nothing away that the other one's agent reads", async () => {
  const home = mkdtempSync(join(tmpdir(), "codemie-test-"));
  const folder = await layOutPlugin(home);
  const others = join(home, "others");
  renameSync(folder, others);
  const { ino } = statSync(others);
  let ours: Promise<string> | undefined;
  await withLock(join(home, "run/plugin.lock"), "the plugin", async () => {
    ours = layOutPlugin(home);
    expect(await within(200, ours)).toBe(false);
    renameSync(others, folder);
  });
  expect(await ours).toBe(folder);
  expect(statSync(folder).ino).toBe(ino);
  rmSync(home, { recursive: true });
});
