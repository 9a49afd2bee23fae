import { expect, test } from "bun:test";
import { UntakenAnswers } from "../../src/mcp/untaken-answers.ts";

const megabyte = 1_048_576;

test("a thousand answers may wait, whatever their order; each that goes makes room", () => {
  const answers = new UntakenAnswers();
  for (let i = 0; i < 1_000; i++) expect(answers.add(i)).toBe(true);
  expect(answers.add(1)).toBe(false);
  answers.remove(7);
  expect([answers.add(1), answers.add(1)]).toEqual([true, false]);
});

test("64 MB of them may wait, or one of any length", () => {
  const answers = new UntakenAnswers();
  expect([answers.add(40 * megabyte), answers.add(24 * megabyte), answers.add(1)]).toEqual([true, true, false]);
  answers.remove(40 * megabyte);
  expect(answers.add(40 * megabyte)).toBe(true);
  const alone = new UntakenAnswers();
  expect([alone.add(100 * megabyte), alone.add(1)]).toEqual([true, false]);
});
