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

test("no expression in our sources takes longer than in proportion to the text", async () => {
  const found: string[] = [];
  const made: Record<string, number> = {};
  let count = 0;
  for (const [file, source] of await sources()) {
    visit(source, (node) => {
      if (makesOne(node)) made[file] = (made[file] ?? 0) + 1;
      if (!isRegularExpressionLiteral(node)) return;
      count++;
      const why = slowness(...parts(node.text));
      if (why) found.push(`${file}: ${node.text}: ${why}`);
    });
  }
  expect(count).toBeGreaterThan(100);
  expect(found).toEqual([]);
  // These are put together from fixed parts, which are literals elsewhere; look at new ones by hand.
  expect(made).toEqual({ "src/gateway/paths.ts": 2 });
});
