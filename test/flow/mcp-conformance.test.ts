import { expect } from "bun:test";
import { join } from "node:path";
import { ciTest } from "../support/tiers.ts";

/** Scenarios that judge the milliseconds between two requests: for `bun run conformance`, on a machine that does nothing else. */
const timed = ["sse-retry"];

ciTest(
  "the client scenarios of the MCP conformance suite",
  async () => {
    const runner = join(import.meta.dir, "../conformance/run.ts");
    const run = Bun.spawn([process.execPath, runner, "--except", ...timed], { stdout: "pipe", stderr: "inherit" });
    const said = await run.stdout.text();
    expect(said).toContain("25 of 25 scenarios pass");
    expect(await run.exited).toBe(0);
  },
  300_000,
);
