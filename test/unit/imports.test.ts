import { expect, test } from "bun:test";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";

/** The rooms of the house, lowest first. A file imports from its own room and from rooms below its tier, never across. */
const tiers = [
  ["core"],
  ["platform"],
  ["http1", "api", "profiles", "vault", "audit", "tracking", "update"],
  ["oauth"],
  ["auth"],
  ["access"],
  ["agents", "gateway", "mcp"],
  ["setup", "doctor", "daemon"],
  ["cli"],
  ["main.ts"],
];

const src = join(import.meta.dir, "../../src");
const files = [...new Glob("**/*.ts").scanSync(src)];
const tierOf = (file: string) => tiers.findIndex((rooms) => rooms.includes(file.split("/")[0] ?? ""));

const imports = new Map<string, string[]>();
for (const file of files) {
  const text = await Bun.file(join(src, file)).text();
  const found = [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)];
  imports.set(
    file,
    found.map(([, target = ""]) => normalize(join(dirname(file), target))),
  );
}

test("every file has a room", () => {
  expect(files.length).toBeGreaterThan(30);
  for (const file of files) expect({ file, known: tierOf(file) >= 0 }).toEqual({ file, known: true });
});

test("imports go down the house, never up and never to a neighbour", () => {
  const wrong: string[] = [];
  for (const [file, targets] of imports) {
    for (const target of targets) {
      if (!imports.has(target)) wrong.push(`${file} → ${target} (no such file)`);
      const sameRoom = file.split("/")[0] === target.split("/")[0];
      if (!sameRoom && tierOf(target) >= tierOf(file)) wrong.push(`${file} → ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("no import goes in a circle", () => {
  const state = new Map<string, "open" | "done">();
  const circles: string[] = [];
  const visit = (file: string, path: string[]) => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") return void circles.push([...path, file].join(" → "));
    state.set(file, "open");
    for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
    state.set(file, "done");
  };
  for (const file of imports.keys()) visit(file, []);
  expect(circles).toEqual([]);
});

test("only main and platform reach for the process", async () => {
  for (const file of files.filter((name) => name !== "main.ts" && !name.startsWith("platform/"))) {
    const text = await Bun.file(join(src, file)).text();
    const reach = text.match(/\bprocess\.\w+|console\.\w+/g);
    expect({ file, reach }).toEqual({ file, reach: null });
  }
});

test("only platform touches files: one door, which looks at their owner, kind and length", async () => {
  for (const file of files.filter((name) => !name.startsWith("platform/"))) {
    const text = await Bun.file(join(src, file)).text();
    const reach = text.match(/["'](?:node:)?fs(?:\/promises)?["']|\bBun\.(?:file|write)\b/g);
    expect({ file, reach }).toEqual({ file, reach: null });
  }
});

test("no file is longer than 330 lines", async () => {
  const long: string[] = [];
  for (const file of files) {
    const lines = (await Bun.file(join(src, file)).text()).split("\n").length - 1;
    if (lines > 330) long.push(`${file}: ${lines}`);
  }
  expect(long).toEqual([]);
});

test("no two exported things share a name", async () => {
  const places = new Map<string, string[]>();
  for (const file of files) {
    const text = await Bun.file(join(src, file)).text();
    const exported = text.matchAll(
      /^export (?:abstract )?(?:async )?(?:function\*?|const|let|class|interface|type|enum) (\w+)/gm,
    );
    // A constant and the type it describes may share a name: they stand in one file.
    const names = new Set([...exported].map(([, name = ""]) => name));
    for (const name of names) places.set(name, [...(places.get(name) ?? []), file]);
  }
  const shared = [...places].filter(([, where]) => where.length > 1);
  expect(shared).toEqual([]);
});

/** @returns the packages and modules of the runtime that are loaded together with a file, whatever is imported later */
async function loadedWith(file: string): Promise<string[]> {
  const seen = new Set<string>();
  const loaded = new Set<string>();
  const visit = async (one: string): Promise<void> => {
    if (seen.has(one)) return;
    seen.add(one);
    const text = await Bun.file(join(src, one)).text();
    for (const [, target = ""] of text.matchAll(/^(?:import|export) (?!type\b)[^;]*?from "([^"]+)"/gm)) {
      if (target.startsWith(".")) await visit(normalize(join(dirname(one), target)));
      else loaded.add(target);
    }
  };
  await visit(file);
  return [...loaded].sort();
}

const packagesLoadedWith = async (file: string) =>
  (await loadedWith(file)).filter((name) => !/^(?:node|bun):/.test(name));

test("at its start the bridge loads no package but small ones: editors start ten of it", async () => {
  expect(await packagesLoadedWith("main.ts")).toEqual([]);
  expect(await packagesLoadedWith("cli/bridge/run.ts")).toEqual([
    "@modelcontextprotocol/sdk/spec.types.js",
    "consola/core",
  ]);
  expect(await packagesLoadedWith("mcp/streamable-http.ts")).toEqual(["@modelcontextprotocol/sdk/spec.types.js"]);
  expect(await packagesLoadedWith("access/credentials.ts")).toContain("zod/mini");
});

test("a short command loads nothing that takes longer than itself", async () => {
  const slow = ["node:crypto", "node:tls", "node:net", "node:util", "node:tty", "zod"];
  const commands = ["token", "profile/list", "profile/status", "vault/status", "models", "config/list", "audit/list"];
  for (const file of ["cli/frame/run.ts", ...commands.map((name) => `cli/commands/${name}.ts`)]) {
    const found = (await loadedWith(file)).filter((name) => slow.includes(name));
    expect({ file, found }).toEqual({ file, found: [] });
  }
});
