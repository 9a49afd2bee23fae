import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { scripts } from "../../package.json";
import { benchmarks, ratiosOf, tableOf } from "../bench/table.ts";

/** One table of all benchmarks' ratios, which the next release is compared with. */

test("every benchmark is in the table", () => {
  const helpers = ["all.ts", "table.ts", "mcp-server.ts"];
  const files = readdirSync(join(import.meta.dir, "../bench")).filter((name) => name.endsWith(".ts"));
  expect(files.filter((name) => !helpers.includes(name)).sort()).toEqual(benchmarks.map((name) => `${name}.ts`).sort());
  const text = JSON.stringify(scripts);
  for (const name of benchmarks) expect(text).toContain(`test/bench/${name}.ts`);
});

test("ratios are ours divided by theirs; what was not measured is left out", () => {
  const results = {
    "calls per second": { codemie: 2, nginx: 4, "node:http": 1 },
    "a stream": { codemie: 3, nginx: 3 },
  };
  expect(ratiosOf("gateway", { results }).map(({ against, ratio }) => [against, ratio])).toEqual([
    ["nginx", 0.5],
    ["node:http", 2],
    ["nginx", 1],
  ]);
  const crowds = [{ waiters: 2, oursMs: 6, flockMs: 2 }];
  expect(ratiosOf("lock", { warmMs: 1, flockMs: 5, trueMs: 1, crowds }).map(({ ratio }) => ratio)).toEqual([0.25, 3]);
  const start = {
    result: [
      { name: "one line", ratio: 1 },
      { name: "codemie --version", ratio: 1.1 },
    ],
  };
  expect(ratiosOf("start", start)).toEqual([
    { benchmark: "start", measure: "codemie --version", against: "a compiled line", ratio: 1.1 },
  ]);
});

test("the table compares with the release before", () => {
  const one = { benchmark: "mcp", measure: "a call", against: "mcp-remote", ratio: 0.3 };
  expect(tableOf([one, { ...one, measure: "new" }], [{ ...one, ratio: 0.2 }])).toBe(
    `| benchmark | measure | relative to | ratio | before | change |
| --- | --- | --- | --- | --- | --- |
| mcp | a call | mcp-remote | 0.30 | 0.20 | 50 % |
| mcp | new | mcp-remote | 0.30 |  |  |`,
  );
});
