import { expect, test } from "bun:test";
import { join } from "node:path";
import { Glob } from "bun";
import {
  isCallExpression,
  isIdentifier,
  isNewExpression,
  isRegularExpressionLiteral,
  type Node,
  type SourceFile,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";
import { slowness } from "../support/expressions.ts";

const root = join(import.meta.dir, "../..");

/** @returns the syntax trees of all our files, by name */
async function sources(): Promise<Map<string, SourceFile>> {
  const api = new API({ cwd: root });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [join(root, "tsconfig.json")] });
    const [project] = snapshot.getProjects();
    const found = new Map<string, SourceFile>();
    for (const file of new Glob("src/**/*.ts").scanSync(root)) {
      const source = await project?.program.getSourceFile(join(root, file));
      if (source) found.set(file, source);
    }
    return found;
  } finally {
    await api.close();
  }
}

/** Calls a function for each node of a tree. */
function visit(node: Node, each: (node: Node) => void): void {
  each(node);
  node.forEachChild((child) => visit(child, each));
}

const makesOne = (node: Node) =>
  (isNewExpression(node) || isCallExpression(node)) &&
  isIdentifier(node.expression) &&
  node.expression.text === "RegExp";

/** @returns an expression's text and flags, of a literal `/text/flags` */
function parts(literal: string): [string, string] {
  const end = literal.lastIndexOf("/");
  return [literal.slice(1, end), literal.slice(end + 1)];
}

const slow: RegExp[] = [
  /\s*,\s*/,
  /\s*,?\s*x/,
  /^\s*:\s*(.*)$/s,
  /\s+$/,
  / +x/g,
  /[a-z]+@/,
  /^\s*url\s*=\s*(\S+)\s*$/m,
  /([^/:@\s]+\/[^/:@\s]+?)(?:\.git)?\/?$/,
  /<title[^>]*>([^<]{1,200})/i,
  /"((?:[^"\\]|\\.)*)"/g,
  /a(?:[ax]*y)?/g,
  /(?=a+b)c/,
  /^.*a.*b$/,
  /^x*y?x*z/,
  /^a*(?:b|)a*c/,
  /^(?:[^"\\]|\\.|\\")*$/,
  /(a+)+b/,
  /^(a*)*$/,
  /^(a|a)*b/,
  /^(\w+\s?)*$/,
  /x{0,300}$/,
  /^x{0,200}x{0,200}y/,
  /[[\p{L}]--[a-c]]+[d]/v,
];
const quick: RegExp[] = [
  /\s+/g,
  /^\s*x/,
  /,\s*/,
  /,\s*(?=[a-z]+=)/,
  /=(.*)/s,
  /^\[(.*)\]$/,
  /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/,
  /\/models\/[^/]+:\w+$/,
  /^127(\.\d{1,3}){3}$/,
  /^(?:[a-z]+\/)*x$/,
  /^(?:[^"\\]|\\.)*$/,
  /x{0,200}$/,
  /_\d+$/,
  /(?<!\w)[[\p{L}]--[a-z\]]][[0-9][x]]/v,
];

test("the check knows slow expressions from quick ones", () => {
  for (const { source, flags } of slow)
    expect([source, slowness(source, flags) === undefined]).toEqual([source, false]);
  for (const { source, flags } of quick) expect([source, slowness(source, flags)]).toEqual([source, undefined]);
  // What it does not understand it refuses, and so the test below fails.
  expect(() => slowness("(a)\\1", "")).toThrow("not understood");
});

/** Loads files anew. @returns the expressions that they put together meanwhile, and those for a profile's paths and for secrets */
async function putTogether(files: readonly string[]): Promise<RegExp[]> {
  const made: RegExp[] = [];
  const usual = globalThis.RegExp;
  globalThis.RegExp = class extends usual {
    constructor(pattern: RegExp | string, flags?: string) {
      super(pattern, flags);
      made.push(this);
    }
  } as RegExpConstructor;
  try {
    for (const file of files) {
      const loaded = await import(`${join(root, file)}?anew`);
      loaded.addedCalls?.(["* /v1/*/a.b/*"]);
      loaded.masked?.("a text", ["a secret (with) signs"]);
    }
  } finally {
    globalThis.RegExp = usual;
  }
  return made;
}

test("no expression in our sources takes longer than in proportion to the text", async () => {
  const found: string[] = [];
  const makers: string[] = [];
  let count = 0;
  const check = (file: string, expression: string, [source, flags]: readonly [string, string]) => {
    count++;
    const why = slowness(source, flags);
    if (why) found.push(`${file}: ${expression}: ${why}`);
  };
  for (const [file, source] of await sources()) {
    visit(source, (node) => {
      if (makesOne(node)) makers.push(file);
      if (isRegularExpressionLiteral(node)) check(file, node.text, parts(node.text));
    });
  }
  const made = await putTogether([...new Set(makers)]);
  // Each place has made one, or the check would miss it; twice, if another file loaded it too.
  expect(new Set(made.map(String)).size).toBe(makers.length);
  for (const { source, flags } of made) check("put together", source, [source, flags]);
  expect(count).toBeGreaterThan(100);
  expect(found).toEqual([]);
});
