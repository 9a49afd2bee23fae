import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { sharedSandbox } from "../support/shared.ts";

/** Threat: the hand-off cannot be bound to the request, so a page could log the person in as somebody else. */

const sandbox = await sharedSandbox();

test("a login as somebody else is refused without a terminal, and what was stored stays", async () => {
  const person = new Person();
  await logIn(person, sandbox, "ada");
  const { code, err, page } = await logIn(person, sandbox, "mallory");
  expect(code).toBe(4);
  expect(err).toContain("error: this login is Mallory <mallory@example.com>, but profile default belongs to Ada");
  expect(page).toContain("Not logged in");
  expect((await person.run(["profile", "status"])).out).toContain("Ada <ada@example.com>");
  person.remove();
});

test("the same person logs in again without a question; --yes lets another one in", async () => {
  const person = new Person();
  await logIn(person, sandbox, "ada");
  expect((await logIn(person, sandbox, "ada")).code).toBe(0);
  expect((await logIn(person, sandbox, "grace", ["--yes"])).code).toBe(0);
  expect((await person.run(["profile", "status"])).out).toContain("Grace <grace@example.com>");
  person.remove();
});

test("after logging out anybody may log in", async () => {
  const person = new Person();
  await logIn(person, sandbox, "ada");
  await person.run(["profile", "logout"]);
  expect((await logIn(person, sandbox, "grace")).code).toBe(0);
  person.remove();
});
