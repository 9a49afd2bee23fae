import { expect, test } from "bun:test";
import { withoutCommands, workflowCommand } from "../../src/core/workflow-commands.ts";
import { asGithubReads } from "../support/ci-runner.ts";

/** Lines for GitHub's runner: what it reads back is what was meant, whatever the text. */

test("any text comes back as it was, in title and data, and is one command", () => {
  const texts = ["100%", "%0A", "%250D", "a\nb", "a\r\nb", "::error::x", "a, b: c = d", "##[error]x", "x,title=y::z"];
  for (const title of texts) {
    for (const data of texts) {
      const { commands, shown } = asGithubReads(workflowCommand("error", data, title));
      expect(commands).toEqual([{ name: "error", properties: { title }, data }]);
      expect(shown).toBe("");
    }
  }
});

test("a text without commands stays as it is; one with commands loses them and nothing else", () => {
  for (const text of ["", "a::b::c", "x ::error::y", "a: b\nc", "## [x]", "# [x]"])
    expect(withoutCommands(text)).toBe(text);
  for (const text of ["::a::", "x\n \t::a::b", "\u2028::a::", "#########[error]x", ":::error::x"]) {
    const safe = withoutCommands(text);
    expect(asGithubReads(safe).commands).toEqual([]);
    expect(safe.replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
  }
});
