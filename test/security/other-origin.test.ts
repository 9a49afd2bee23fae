import { expect, test } from "bun:test";
import { Person, withClaude } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { startSandbox } from "../support/sandbox/sandbox.ts";

/** Threat: a stored credential goes to another host than the one it belongs to. */

test("a login goes to its own origin and nowhere else", async () => {
  const [sandbox, thief] = await Promise.all([startSandbox(), startSandbox()]);
  const person = new Person();
  await logIn(person, sandbox);
  for (const [args, env] of [
    [["profile", "status"], { CODEMIE_URL: thief.origin }],
    [["profile", "status"], { CODEMIE_BASE_URL: `${thief.origin}/code-assistant-api` }],
    [["models"], { CODEMIE_URL: thief.origin, CODEMIE_PROFILE: "default" }],
    [["claude", "--base-url", thief.origin, "--task", "x"], {}],
    [["claude", "--base-url", thief.origin, "--profile", "default", "--task", "x"], {}],
  ] as const) {
    const { code, err } = await person.run(args, {
      env: { ...env, ...(args[0] === "claude" ? withClaude(person) : {}) },
    });
    expect({ args, code }).toEqual({ args, code: 4 });
    expect(err).toContain(`hint: run codemie profile login --url ${thief.origin}`);
  }
  expect(thief.record).toEqual([]);

  // the config file leads elsewhere, the sealed login does not
  person.writeConfig(JSON.stringify(person.config()).replaceAll(sandbox.origin, thief.origin));
  const moved = await person.run(["models"]);
  expect(moved.code).toBe(4);
  expect(moved.err).toContain(`the login of profile default is for ${sandbox.origin}, not for ${thief.origin}`);
  expect(thief.record).toEqual([]);
  person.remove();
  await Promise.all([sandbox.close(), thief.close()]);
});

test("two hosts named at once are an error, not a choice", async () => {
  const person = new Person();
  const { code, err } = await person.run(["profile", "status"], {
    env: { CODEMIE_URL: "https://a.example", CODEMIE_BASE_URL: "https://b.example" },
  });
  expect(code).toBe(2);
  expect(err).toContain("name different hosts");
  person.remove();
});

for (const url of ["http://codemie.example.com", "ftp://h", "https://u:p@h", "not a url"]) {
  test(`${url} is refused as a host`, async () => {
    const person = new Person();
    const { code, err, out } = await person.run(["profile", "login", "--url", url]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toStartWith("error: cannot use ");
    expect(err).not.toContain("u:p@");
    person.remove();
  });
}

test("the address of a page is no host where a credential goes along; a login says which host it takes", async () => {
  const person = new Person();
  const page = "https://h.invalid/some/path";
  for (const args of [["profile", "status"], ["models"]]) {
    const { code, out, err } = await person.run([...args, "--url", page]);
    expect({ args, code, out }).toEqual({ args, code: 2, out: "" });
    expect(err).toContain("hint: try https://h.invalid");
  }
  const { code, err } = await person.run(["profile", "login", "--url", page]);
  expect([code, err.replaceAll(/\s+/g, " ")]).toEqual([5, expect.stringContaining("the host is https://h.invalid")]);
  person.remove();
});
