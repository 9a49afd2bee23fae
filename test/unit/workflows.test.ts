import { expect, test } from "bun:test";
import { join } from "node:path";
import { NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser";
import { Glob } from "bun";
import { parse } from "yaml";
import { targets } from "../../release/targets.ts";

/** The workflows of GitHub Actions: right by GitHub's own parser, with pinned actions and no more rights than they need. */

const folder = join(import.meta.dir, "../../.github/workflows");
const names = [...new Glob("*.yml").scanSync(folder)].sort();
const texts = new Map(
  await Promise.all(names.map(async (name) => [name, await Bun.file(join(folder, name)).text()] as const)),
);

const faultsOf = (name: string, content: string): string[] =>
  parseWorkflow({ name, content }, new NoOperationTraceWriter())
    .context.errors.getErrors()
    .map(({ message }) => message);

interface Job {
  permissions?: Record<string, string>;
  environment?: string;
  "timeout-minutes"?: number;
  needs?: string | string[];
  steps: { uses?: string; run?: string; env?: Record<string, string>; with?: Record<string, unknown> }[];
  strategy?: { matrix: { include?: { archive: string }[] } };
}
const jobsOf = (text: string): [string, Job][] => Object.entries((parse(text) as { jobs: Record<string, Job> }).jobs);

test("GitHub's own parser finds no fault, and finds one where there is one", () => {
  expect(names).toEqual(["check.yml", "release.yml"]);
  for (const [name, text] of texts) expect({ name, faults: faultsOf(name, text) }).toEqual({ name, faults: [] });
  const check = texts.get("check.yml") ?? "";
  expect(faultsOf("x.yml", check.replace("runs-on", "run-on"))).not.toEqual([]);
  expect(faultsOf("x.yml", check.replace("github.ref }}", "github.ref( }}"))).not.toEqual([]);
});

test("actions are those of GitHub, pinned by commit, with the version beside it", () => {
  for (const [name, text] of texts) {
    const uses = text.split("\n").filter((line) => /\buses:/.test(line));
    expect(uses.length).toBeGreaterThan(1);
    for (const line of uses)
      expect({ name, line }).toEqual({
        name,
        line: expect.stringMatching(/^ +- uses: actions\/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/),
      });
  }
});

test("a job has the rights that it names, and a time limit; no checkout leaves a token behind", () => {
  const rights: Record<string, unknown> = {};
  for (const [name, text] of texts) {
    expect((parse(text) as { permissions: unknown }).permissions).toEqual({});
    for (const [id, job] of jobsOf(text)) {
      rights[`${name} ${id}`] = job.permissions;
      expect(job["timeout-minutes"]).toBeGreaterThan(0);
      for (const { uses, with: options } of job.steps) {
        if (uses?.startsWith("actions/checkout@")) expect(options?.["persist-credentials"]).toBe(false);
      }
    }
  }
  const read = { contents: "read" };
  expect(rights).toEqual({
    "check.yml linux": read,
    "check.yml others": read,
    "release.yml build": read,
    "release.yml test": read,
    "release.yml publish": { contents: "write", "id-token": "write", attestations: "write" },
  });
});

test("no script holds an expression: words of others would be code there", () => {
  for (const [, text] of texts) {
    for (const [, { steps }] of jobsOf(text)) {
      for (const { run } of steps) expect(run ?? "").not.toContain("${{");
    }
  }
});

test("the key is in one step of one job, which waits for an approval; what is published was tested before", () => {
  const jobs = jobsOf(texts.get("release.yml") ?? "");
  const holders = jobs.flatMap(([id, { steps }]) =>
    steps.filter((step) => JSON.stringify(step).includes("secrets.")).map(({ run }) => `${id}: ${run}`),
  );
  expect(holders).toEqual(["build: bun build.ts --all"]);
  const of = new Map(jobs);
  expect(of.get("build")?.environment).toBe("release");
  expect(of.get("publish")?.needs).toEqual(["build", "test"]);
  const archives = of.get("test")?.strategy?.matrix.include?.map(({ archive }) => archive) ?? [];
  const known = Object.keys(targets).map(
    (name) => `codemie-${name}.${name.startsWith("windows") ? "exe.zip" : "tar.gz"}`,
  );
  expect(archives.filter((one) => !known.includes(one))).toEqual([]);
  // GitHub has no machine with musl.
  expect(known.filter((one) => !archives.includes(one) && !one.includes("musl"))).toEqual([]);
});
