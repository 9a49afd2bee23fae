import { expect, test } from "bun:test";
import { claude } from "../../src/agents/claude.ts";
import { readAgentArgs } from "../../src/cli/commands/agent/args.ts";

const read = (...args: string[]) => readAgentArgs(args, "codemie-claude");

test("a flag that is nearly a credential's is refused, since its value would be seen", () => {
  for (const flag of [
    "--jwt-tokn",
    "--jwt_token",
    "-jwt-token",
    "--jwttoken",
    "--api-kye",
    "--apikey",
    "--JWT-TOKEN",
  ]) {
    expect(() => read(flag, "eyJhbGciOi")).toThrow(/looks like|not supported/);
    expect(() => read(`${flag}=eyJhbGciOi`)).toThrow();
  }
  expect(read("--", "--jwt-tokn", "x").rest).toEqual(["--jwt-tokn", "x"]);
  expect(read("--append-system-prompt", "x", "-p").rest).toEqual(["--append-system-prompt", "x", "-p"]);
});

test("--resume may stand alone", () => {
  expect(read("--resume").resume).toBe("");
  expect(read("--resume", "--verbose")).toMatchObject({ resume: "", rest: ["--verbose"] });
  expect(read("--resume=s1", "s2")).toMatchObject({ resume: "s1", rest: ["s2"] });
});

test("a flag without its value, or with a wrong one, is an error", () => {
  for (const args of [["--model"], ["--task="], ["--timeout", "soon"], ["--timeout", "-1"]]) {
    expect(() => read(...args)).toThrow();
  }
});

const model = (id: string, standard = false) => ({ id, label: id, provider: null, default: standard, cost: null });

test("the model: the wished one, the account's default if it is a Claude, the first Claude, the default", () => {
  const all = [model("gpt-5", true), model("claude-opus-4-6"), model("claude-opus-4-10")];
  expect(claude.chooseModels(all, "my-alias", {}).main).toBe("my-alias");
  expect(claude.chooseModels(all, undefined, {})).toEqual({
    main: "claude-opus-4-6",
    tiers: { haiku: "claude-opus-4-6", sonnet: "claude-opus-4-6", opus: "claude-opus-4-10" },
  });
  expect(claude.chooseModels([model("gpt-5", true)], undefined, {}).main).toBe("gpt-5");
  expect(claude.chooseModels([], undefined, {})).toEqual({ main: undefined, tiers: {} });
  expect(claude.chooseModels(all, undefined, { haiku: "h" }).tiers.haiku).toBe("h");
});
