import { expect, test } from "bun:test";
import { edited, membersOf } from "../../src/mcp/json-text.ts";

/** Changing members of a JSON text without building its values. */

test("the members that no change names keep their text: large numbers, spaces, escapes, long names", () => {
  const long = "n".repeat(200);
  const text = `{ "big": 12345678901234567890, "\\u0061": "\\u0041", "deep": { "x" : [1.0, null] }, "${long}": 1 }`;
  expect(edited(text, { big: (old) => `[${old}]`, gone: undefined, added: "true" })).toBe(
    `{"big":[12345678901234567890],"\\u0061": "\\u0041", "deep": { "x" : [1.0, null] }, "${long}": 1,"added":true}`,
  );
});

test("of two members with one name the last counts, and a change takes both off", () => {
  expect(edited('{"a":1,"a":2}', {})).toBe('{"a":1,"a":2}');
  expect(edited('{"a":1,"\\u0061":2}', { a: (old) => `[${old}]` })).toBe('{"a":[2]}');
  expect(edited('{"a":1,"b":3,"a":2}', { a: undefined })).toBe('{"b":3}');
  expect(edited('{"__proto__":1}', { constructor: "2" })).toBe('{"__proto__":1,"constructor":2}');
});

test("what is no object stays as it is", () => {
  for (const text of ["[1]", "1", "null", '"{}"', "{", '{"a":1} x']) {
    expect(edited(text, { a: "2" })).toBe(text);
    expect(membersOf(text)).toBeUndefined();
  }
});
