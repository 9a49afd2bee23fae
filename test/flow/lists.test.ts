import { expect, onTestFinished, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { loginFile } from "../support/age.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";

/** What lists tell a person: whose, until when, which one is active, how much is left out. */

const sandbox = await sharedSandbox();
const ada = await sharedLogin(sandbox);

function adasCopy() {
  const person = ada.copy();
  onTestFinished(() => person.remove());
  return person;
}

test("profile list shows person and validity, and fails for no damaged login", async () => {
  const person = adasCopy();
  person.editConfig(({ profiles }) => {
    profiles.other = { name: "other", codeMieUrl: "https://other.example.com" };
  });
  const { out } = await person.run(["profile"]);
  expect(out).toMatch(/^\* {2}default .* Ada <ada@example.com> +ends in \d days \(.*\)$/m);
  expect(out).toMatch(/^ {3}other .* - +no login stored$/m);
  const json = JSON.parse((await person.run(["profile", "list", "--json"])).out);
  expect(json).toMatchObject([
    { name: "default", active: true, stored: true, user: { name: "Ada" }, expiresAt: expect.stringMatching(/Z$/) },
    { name: "other", active: false, stored: false, user: null, expiresAt: null },
  ]);
  const all = await person.run(["profile", "status", "--all", "--offline"]);
  expect(all.out).toContain("profile  default, the active one\n");
  expect(all.out).toContain("profile  other\n");
  const statuses = JSON.parse((await person.run(["profile", "status", "--all", "--offline", "--json"])).out);
  expect(statuses.map(({ active }: { active: boolean }) => active)).toEqual([true, false]);
  writeFileSync(loginFile(person), "{}");
  const damaged = await person.run(["profile", "list"]);
  expect([damaged.code, damaged.out]).toEqual([0, expect.stringMatching(/default .* no login stored$/m)]);
});

test("audit list shows a person the last 20 and says so; a script gets all", async () => {
  const person = adasCopy();
  const env = { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci"), CODEMIE_URL: sandbox.origin };
  for (let n = 0; n < 21; n++) await person.run(["token"], { env });
  const rows = (text: string) => text.split("\n").filter((line) => /^\d{4}-/.test(line)).length;
  const { out, err } = await person.run(["audit", "list", "--event", "token-printed"]);
  expect([rows(out), err]).toEqual([20, "the last 20 of 21 events; --last 21 shows all\n"]);
  const all = await person.run(["audit", "list", "--event", "token-printed", "--last", "21"]);
  expect([rows(all.out), all.err]).toEqual([21, ""]);
  expect(JSON.parse((await person.run(["audit", "list", "--event", "token-printed", "--json"])).out)).toHaveLength(21);
  for (const since of ["yesterday", "Today", "2d", "1 day ago", "12h"]) {
    expect(rows((await person.run(["audit", "list", "--event", "token-printed", "--since", since])).out)).toBe(21);
  }
  const wrong = await person.run(["audit", "list", "--since", "yesteryear"]);
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining("for example 2026-11-01, yesterday, 3d or 12h")]);
});

test("vault status names records in words; its JSON keeps their names", async () => {
  const person = adasCopy();
  const { out } = await person.run(["vault", "status"]);
  expect(out).toContain("    the end of the audit trail\n    the login of profile default\n");
  expect(JSON.parse((await person.run(["vault", "status", "--json"])).out).records).toEqual([
    "audit head",
    "login default",
  ]);
});
