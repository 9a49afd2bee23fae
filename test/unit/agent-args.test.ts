import { expect, test } from "bun:test";
import { claude } from "../../src/agents/claude.ts";
import { readAgentArgs } from "../../src/cli/commands/agent/args.ts";

const read = (...args: string[]) => readAgentArgs(args, "codemie-claude", claude.own);

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

test("a subcommand of the agent goes to it as typed, whatever of ours is before it", () => {
  const typed = ["mcp", "add", "-s", "user", "t", "--", "x", "--model", "y"];
  expect(read(...typed)).toMatchObject({ isSubcommand: true, silent: false, model: undefined, rest: typed });
  expect(read("--profile", "work", ...typed)).toMatchObject({ isSubcommand: true, profile: "work", rest: typed });
  expect(read("--verbose", ...typed).rest).toEqual(["--verbose", ...typed]);
  for (const words of [
    ["--task", "x", "mcp"],
    ["explain", "mcp"],
    ["--debug", "mcp"],
    ["--tools", "Bash", "mcp"],
    ["--", "mcp"],
  ])
    expect(read(...words).isSubcommand).toBe(false);
});

test("a flag of the agent and its value stay together, also when the value looks like a flag of ours", () => {
  const pairs = ["--append-system-prompt", "-s", "--name", "--task", "-n", "--model=x"];
  expect(read(...pairs, "-s")).toMatchObject({ silent: true, task: undefined, model: undefined, rest: pairs });
  expect(read("--verbose", "-s")).toMatchObject({ silent: true, rest: ["--verbose"] });
  expect(() => read("--name", "--jwt-token", "eyJhbGciOi")).toThrow(/looks like/);
});

test("a near miss of a flag of ours is asked about, unless it is the agent's or behind --", () => {
  for (const [typed, meant] of [
    ["--taks", "--task"],
    ["--modle=x", "--model"],
    ["--silnet", "--silent"],
    ["--resme", "--resume"],
  ] as const) {
    const error = (() => {
      try {
        return read(typed, "x");
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({ code: "usage", hint: expect.stringContaining(`did you mean ${meant}?`) });
  }
  for (const flag of claude.own.flags.keys()) expect(read(flag).rest).toEqual([flag]);
  expect(read("--", "--taks").rest).toEqual(["--taks"]);
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
    id: "claude-opus-4-6",
    tiers: { haiku: "claude-opus-4-6", sonnet: "claude-opus-4-6", opus: "claude-opus-4-10" },
  });
  expect(claude.chooseModels([model("gpt-5", true)], undefined, {}).main).toBe("gpt-5");
  expect(claude.chooseModels([], undefined, {})).toEqual({ main: undefined, id: undefined, tiers: {} });
  expect(claude.chooseModels(all, undefined, { haiku: "h" }).tiers.haiku).toBe("h");
});

test("Claude Code's own names stand for the account's models", () => {
  const all = [model("gpt-5"), model("claude-sonnet-4-6", true), model("claude-haiku-4-5"), model("claude-haiku-4-10")];
  const chosen = (wished: string, tiers = {}) => claude.chooseModels(all, wished, tiers);
  expect(chosen("sonnet")).toMatchObject({ main: "sonnet", id: "claude-sonnet-4-6" });
  expect(chosen("haiku")).toMatchObject({ main: "haiku", id: "claude-haiku-4-10" });
  expect(chosen("haiku", { haiku: "small" })).toMatchObject({ main: "haiku", id: "small", tiers: { haiku: "small" } });
  expect(chosen("sonnet[1m]")).toMatchObject({ main: "sonnet[1m]", id: "claude-sonnet-4-6" });
  expect(chosen("gpt-5[1m]")).toMatchObject({ main: "gpt-5[1m]", id: "gpt-5" });
  expect(chosen("opusplan")).toMatchObject({ main: "opusplan", id: "claude-sonnet-4-6" });
  for (const tier of ["opus", "fable"]) {
    const lacking = { main: tier, id: "claude-sonnet-4-6", absent: tier, tiers: { [tier]: "claude-sonnet-4-6" } };
    expect(chosen(tier)).toMatchObject(lacking);
  }
  expect(claude.chooseModels([], "opus", {})).toEqual({ main: "opus", id: "opus", tiers: {} });
});
