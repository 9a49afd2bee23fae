import { expect, test } from "bun:test";
import { deepest, readJsonText } from "../../src/mcp/json-text.ts";

const names = new Set(["id", "method"]);
const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const sample = JSON.stringify([
  {
    id: -1.5e3,
    method: 'a "b" \\ \n\t \u0001 é 漢 \ud83d\ude00',
    params: [true, false, null, 0, "", {}, [], [[]], { a: { b: [1] } }],
  },
  { id: "x", result: { " ": 1e-7, "": [1, 2, 3] } },
]);

test("it takes for JSON the same texts as the runtime's parser, however they are broken", () => {
  const odd = [
    ...[
      "",
      " ",
      "x",
      "1",
      "-",
      "-0",
      "01",
      "1.",
      ".5",
      "1e",
      "1e+5",
      "+1",
      '"',
      '"a',
      '"\\"',
      '"\\x"',
      '"\\u12g4"',
      "nul",
    ],
    ...[
      "[",
      "[]",
      "[,]",
      "[1,]",
      "[1 2]",
      "{}",
      "{,}",
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      "{a:1}",
      "{1:1}",
      "[1}",
      '{"a":1]',
    ],
    ...[
      "[] []",
      "{}x",
      '"\t"',
      '"\u0000"',
      "\ufeff{}",
      "\u00a0{}",
      " \t\r\n{ } \n",
      "true",
      "truex",
      "NaN",
      "[1]]",
      "//",
      "'a'",
    ],
    ...['"\u007f\u2028"', '"\ud800"', '{"a":1,"a":{"a":[]}}', '"\\ud800"', "[[[[1]]]", '{"\\u0061":"\\/"}', sample],
  ];
  for (const text of odd) expect([text, readJsonText(text, names) !== undefined]).toEqual([text, isJson(text)]);
  // Every text that differs by one character removed, doubled, or replaced by one that has a meaning.
  for (let at = 0; at < sample.length; at++) {
    for (const put of ["", (sample[at] ?? "").repeat(2), ...'"\\,:[]{}0-e \n']) {
      const text = sample.slice(0, at) + put + sample.slice(at + 1);
      expect([text, readJsonText(text, names) !== undefined]).toEqual([text, isJson(text)]);
    }
  }
});

test("members: of the outer objects, by their names however these are written, the last of two", () => {
  const { objects = [], isArray } =
    readJsonText(' { "i\\u0064" : 1 , "id": [ {"id":2} ] ,"method":"m","a":{"id":3}} ', names) ?? {};
  expect([objects.length, isArray]).toEqual([1, false]);
  expect([...(objects[0]?.members ?? [])]).toEqual([
    ["id", '[ {"id":2} ]'],
    ["method", '"m"'],
  ]);
  const both = readJsonText('[{"id":1},\n{"id":2} ]', names);
  expect([both?.isArray, both?.objects?.map(({ text }) => text)]).toEqual([true, ['{"id":1}', '{"id":2}']]);
  for (const text of ["[]", "1", "[1]", '[{"id":1},2]', `[${"{},".repeat(1_000)}{}]`]) {
    expect([text, readJsonText(text, names)?.objects]).toEqual([text, undefined]);
  }
});

test("depth: the deepest that passes, one more, and a million, wherever the id stands", () => {
  const at = (levels: number) => readJsonText(`{"a":${nested(levels)},"id":5}`, names);
  expect(at(deepest - 1)?.isTooDeep).toBe(false);
  for (const levels of [deepest, 5_000, 1_000_000]) {
    expect(at(levels)?.isTooDeep).toBe(true);
    expect(at(levels)?.objects?.[0]?.members.get("id")).toBe("5");
  }
  for (const text of ["[".repeat(1_000_000), '{"a":'.repeat(1_000_000), `{"a":${"[".repeat(5_000)}"]`]) {
    expect(readJsonText(text, names)).toBeUndefined();
  }
});
