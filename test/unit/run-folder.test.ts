import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { makeRunFolder } from "../../src/agents/run-folder.ts";

/** Folders of agents' runs in a home that containers may share. */

test("what a killed run left is cleared; a run's folder of another machine, or of a living one, stays", async () => {
  const home = mkdtempSync(join(tmpdir(), "codemie-test-"));
  const run = join(home, "run");
  const here = hostname().replace(/[^A-Za-z0-9.]/g, "");
  const nobody = 2 ** 22 + 1; // above the largest process number of Linux
  const dead = `agent-${nobody}-${here}-AbCdEf`;
  const staying = [`agent-${nobody}-elsewhere-AbCdEf`, `agent-${process.pid}-${here}-AbCdEf`];
  for (const name of [dead, ...staying]) mkdirSync(join(run, name), { recursive: true });
  const { folder, remove } = await makeRunFolder(home);
  expect(
    readdirSync(run)
      .map((name) => join(run, name))
      .sort(),
  ).toEqual([folder, ...staying.map((name) => join(run, name))].sort());
  await remove();
  const next = await makeRunFolder(home);
  await next.remove();
  expect(readdirSync(run).sort()).toEqual(staying.sort());
  rmSync(home, { recursive: true });
});
