import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";
import { auditEvents } from "../../src/audit/events.ts";
import { allCommands, callsIn, commandsIn, lookUp } from "../support/documented-commands.ts";
import { type Document, documents, readDocument } from "../support/markdown.ts";

const top = join(import.meta.dir, "../..");
const docs = await documents();
const byFile = new Map(docs.map((one) => [one.file, one]));
const textOf = (file: string): string => byFile.get(file)?.text ?? "";
const host = "docs/codemie-host.md";

/** Source texts by path from the top. */
async function sourcesIn(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const name of new Glob("**/*.{ts,mjs,txt,sh}").scanSync(join(top, folder))) {
    if (name.includes("node_modules")) continue;
    found.set(`${folder}/${name}`, await Bun.file(join(top, folder, name)).text());
  }
  return found;
}
const src = await sourcesIn("src");
const tests = await sourcesIn("test");
const release = await sourcesIn("release");
const ofBuild = await Bun.file(join(top, "build.ts")).text();

test("there are documents to look at", () => {
  expect(docs.length).toBeGreaterThan(12);
  expect(src.size).toBeGreaterThan(100);
});

test("the README has at most 250 lines", () => {
  expect(textOf("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(250);
});

/** @returns the links of a document that lead nowhere */
function brokenLinks({ file, links }: Document, all: ReadonlyMap<string, Document>): string[] {
  return links.filter((link) => {
    if (/^https:\/\//.test(link)) return false;
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? file : normalize(join(dirname(file), path));
    if (!existsSync(join(top, target)) && !all.has(target)) return true;
    return anchor !== undefined && !all.get(target)?.anchors.includes(anchor);
  });
}

test("every relative link leads somewhere, and every anchor to a heading", () => {
  const broken = docs.flatMap((one) => brokenLinks(one, byFile).map((link) => `${one.file}: ${link}`));
  expect(broken).toEqual([]);
  expect(docs.flatMap(({ links }) => links).length).toBeGreaterThan(60);
});

test("a link that leads nowhere is found", () => {
  const text =
    "# A heading, with `code`!\n\n[1](#a-heading-with-code) [2](#no) [3](no.md) [4](../README.md#install) [5](x.md#y)";
  const one = readDocument("docs/one.md", text);
  expect(brokenLinks(one, new Map([...byFile, ["docs/one.md", one]]))).toEqual(["#no", "no.md", "x.md#y"]);
});

test("every command in the documents is one the program has, flags included", async () => {
  const shown = docs.flatMap(commandsIn);
  const wrong: string[] = [];
  for (const one of shown) {
    const found = await lookUp(one);
    if ("wrong" in found) wrong.push(`${one.file}: ${one.words.join(" ")}: ${found.wrong}`);
  }
  expect(wrong).toEqual([]);
  expect(shown.length).toBeGreaterThan(100);
});

test("a command the program does not have is found", async () => {
  const bad = [
    "codemie profile lgin",
    "codemie profile login --ulr x",
    "codemie profile [list|shw]",
    "codemie models --profil x",
    "codemie-claude --taks x",
    "codemie-mcp-proxy URL --persit",
    "codemie mcp add NAME URL -- --persit",
    "codemie-opencde run",
    "codemie profile use ONE TWO",
    "codemie --versoin",
  ];
  for (const line of bad) {
    const [words = []] = callsIn(line);
    expect({ line, ...(await lookUp({ words, mention: true })) }).toEqual({ line, wrong: expect.any(String) });
  }
  const [words = []] = callsIn("codemie profile use");
  expect(await lookUp({ words, mention: false })).toEqual({ wrong: expect.any(String) });
});

test("calls are found where they stand", () => {
  expect(callsIn(`sh 'A=b codemie-claude --task "x y" --silent'`)).toEqual([
    ["codemie-claude", "--task", "x y", "--silent"],
  ]);
  expect(callsIn(`eval "$(codemie completion bash)"   # in ~/.bashrc`)).toEqual([["codemie", "completion", "bash"]]);
  expect(callsIn("you ── codemie profile login ──► browser")).toEqual([["codemie", "profile", "login"]]);
  expect(callsIn("claude mcp add t -- codemie-mcp-proxy https://x  # y")).toEqual([["codemie-mcp-proxy", "https://x"]]);
  const others = ["install -m 755 dist/codemie ~/.local/bin/", "ln -sf codemie a", "security -s codemie -w"];
  expect(others.flatMap(callsIn)).toEqual([]);
});

test("every command is in the README", async () => {
  const found = await Promise.all(commandsIn(byFile.get("README.md") as Document).map(lookUp));
  const named = found.flatMap((one) => ("paths" in one ? one.paths : []));
  const missing = [...(await allCommands()), "codemie-claude", "codemie-mcp-proxy"].filter(
    (one) => !named.includes(one),
  );
  expect(missing).toEqual([]);
});

/** Flags of other programs, and one that is mistyped on purpose. */
const foreignFlags = [
  "--settings",
  "--except",
  "--direct",
  "--jwt-tokn",
  "--compile",
  "--no-daemon",
  "--setting-sources",
  "--plugin-dir",
  "--skip-trust",
  "--dir",
];

test("every flag that is named on its own is one of ours", async () => {
  const definitions = [...src].filter(([file]) => file.startsWith("src/cli/")).map(([, text]) => text);
  const ofInstaller = release.get("release/install.sh") ?? "";
  const isOurs = (flag: string) => {
    const name = flag.slice(2);
    const forms = [
      `"${flag}"`,
      `"${name}": `,
      ` ${name}: `,
      ...(name.startsWith("no-") ? [` ${name.slice(3)}: `] : []),
    ];
    if (new RegExp(`^ +(?:--[a-z]+ \\| )?${flag}(?: \\||\\))`, "m").test(ofInstaller)) return true;
    return [...definitions, ofBuild].some((text) => forms.some((form) => text.includes(form)));
  };
  const named = docs.flatMap(({ file, codes }) =>
    codes
      .filter((one) => one.startsWith("-"))
      .flatMap((one) => [...one.matchAll(/--[a-z][a-z-]*/g)].map(([flag]) => ({ file, flag }))),
  );
  expect(named.filter(({ flag }) => !isOurs(flag) && !foreignFlags.includes(flag))).toEqual([]);
  expect(isOurs("--persit")).toBe(false);
});

test("every flag of the bridge and of the agents is documented", () => {
  const bridge = [...(src.get("src/cli/bridge/flags.ts") ?? "").matchAll(/^ {2}"?([a-z-]+)"?: "(?:value|switch)"/gm)];
  const agent = [...(src.get("src/cli/commands/agent/args.ts") ?? "").matchAll(/"(--[a-z-]+)"/g)];
  expect([bridge.length > 20, agent.length > 10]).toEqual([true, true]);
  const has = (file: string, flag: string) => textOf(file).includes(`\`${flag}`) || textOf(file).includes(` ${flag} `);
  const missing = [
    ...bridge.map(([, name]) => `--${name}`).filter((flag) => !has("docs/mcp.md", flag)),
    ...agent.map(([, flag = ""]) => flag).filter((flag) => !has("docs/manual.md", flag)),
  ];
  expect(missing).toEqual([]);
});

const citation = /CodeMie facts?\s+(\d+\.\d+(?:(?:,|,? and|,? to)\s+\d+\.\d+)*)/g;

/** @returns the numbers a text cites, whatever comment the lines stand in */
function cited(text: string): string[] {
  const flat = text.replace(/\n\s*(?:\*|\/\/)?\s*/g, " ");
  return [...flat.matchAll(citation)].flatMap(([, numbers = ""]) => numbers.match(/\d+\.\d+/g) ?? []);
}

test("every fact of the host that is cited has its entry", () => {
  const entries = [...textOf(host).matchAll(/^### (\d+\.\d+) /gm)].map(([, number = ""]) => number);
  const all = [...src, ...tests, ...docs.map(({ file, text }) => [file, text] as const)];
  const uses = all.flatMap(([file, text]) => cited(text).map((number) => ({ file, number })));
  expect(uses.filter(({ number }) => !entries.includes(number))).toEqual([]);
  expect(uses.length).toBeGreaterThan(30);
  expect(entries).toEqual([...new Set(entries)].sort((a, b) => a.localeCompare(b, "en", { numeric: true })));
});

test("citations are read over the ends of comment lines", () => {
  expect(cited("/** It is so (CodeMie\n * facts 9.1, 9.2\n * and 9.30), `x` 1.5 */")).toEqual(["9.1", "9.2", "9.30"]);
});

/** @returns the paths that a document's code names, `*` standing for a part of a name */
function pathsIn({ codes }: Pick<Document, "codes">): string[] {
  return codes
    .flatMap((one) => one.split(/\s+/))
    .filter((one) =>
      /^(?:src|test|docs|release|\.ci|\.github)(?:\/|$)|^(?:build\.ts|package\.json|bun\.lock)$/.test(one),
    );
}

const exists = (path: string) =>
  path.includes("*") ? [...new Glob(path).scanSync(top)].length > 0 : existsSync(join(top, path));

test("every path in the documents exists", () => {
  const missing = docs.flatMap((one) =>
    pathsIn(one)
      .filter((path) => !exists(path))
      .map((path) => `${one.file}: ${path}`),
  );
  expect(missing).toEqual([]);
});

test("a path that does not exist is found", () => {
  const paths = pathsIn(
    readDocument("x.md", "`src/main.ts`, `bun test/no.ts`, `test/unit/*.test.ts`, `src/no*.ts`, `source`"),
  );
  expect(paths.filter((path) => !exists(path))).toEqual(["test/no.ts", "src/no*.ts"]);
});

test("every room has its place in the architecture, every threat in the security document", () => {
  const rooms = readdirSync(join(top, "src")).filter(
    (room) => !textOf("docs/architecture.md").includes(`\`src/${room}\``),
  );
  const threats = readdirSync(join(top, "test/security")).filter(
    (name) => !textOf("docs/security.md").includes(`\`test/security/${name}\``),
  );
  expect({ rooms, threats }).toEqual({ rooms: [], threats: [] });
});

const variable = /\b(?:CODEMIE|MCP)_[A-Z][A-Z_]*[A-Z]\b/g;
/** Variables of the tests, of an example, and of the template for GitLab. */
const notOfTheProgram = ["CODEMIE_SOAK", "CODEMIE_UPDATE_GOLDEN", "CODEMIE_TOKEN", "CODEMIE_TASK", "MCP_TIMEOUT"];

test("every environment variable of the code is in the manual, and no other is in the documents", () => {
  const code = [...src.values()].join("\n");
  const ours = new Set(code.match(variable));
  const read = new Set([...ours, ...[...code.matchAll(/\benv\.([A-Z][A-Z_]+)\b/g)].map(([, name = ""]) => name)]);
  const manual = new Set(textOf("docs/manual.md").match(/\b[A-Z][A-Z_]+\b/g));
  expect([...read].filter((name) => !manual.has(name))).toEqual([]);
  expect(read.size).toBeGreaterThan(30);
  const named = docs.filter(({ file }) => file !== host).flatMap(({ text }) => text.match(variable) ?? []);
  const ofRelease = new Set([...release.values(), ofBuild].join("\n").match(variable));
  expect(
    [...new Set(named)].filter((name) => !ours.has(name) && !ofRelease.has(name) && !notOfTheProgram.includes(name)),
  ).toEqual([]);
});

test("every audit event is in the table of the security document", () => {
  const rows = textOf("docs/security.md").match(/^\| `[a-z-]+`.*$/gm) ?? [];
  const missing = Object.keys(auditEvents).filter((event) => !rows.some((row) => row.includes(`\`${event}\``)));
  expect(missing).toEqual([]);
});
