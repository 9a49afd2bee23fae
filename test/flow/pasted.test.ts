import { afterEach, beforeEach, expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { ownProvider, sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";
import { adasToken } from "../support/token.ts";

/** Keys, tokens and addresses as they come out of a clipboard, a file of another system, or a CI variable. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

/** What comes along when a value is copied. */
const wraps: [string, (value: string) => string][] = [
  ["double quotes", (value) => `"${value}"`],
  ["single quotes and a line end", (value) => `'${value}'\n`],
  ["typographic quotes", (value) => `“${value}”`],
  ["a byte order mark and CRLF", (value) => `\uFEFF${value}\r\n`],
  ["blanks in quotes", (value) => ` " ${value} " `],
];
const secretWraps: typeof wraps = [
  ...wraps,
  ["Bearer", (value) => `Bearer ${value}`],
  ["bearer in quotes", (value) => `"bearer ${value}"`],
  ["the whole header", (value) => `Authorization: Bearer ${value}`],
];

for (const [what, wrap] of cases(secretWraps)) {
  test(`an API key with ${what} is the key itself, stored, or given by a variable`, async () => {
    const provider = await ownProvider("litellm");
    const args = ["setup", "--provider", "litellm", "--url", provider.origin, "--key-stdin", "--yes"];
    expect(await person.run(args, { stdin: wrap(provider.key) })).toMatchObject({ code: 0 });
    expect((await person.run(["token"])).out).toBe(`${provider.key}\n`);
    const env = { CODEMIE_API_KEY: wrap(provider.key) };
    expect((await person.run(["token"], { env })).out).toBe(`${provider.key}\n`);
    for (const { headers } of provider.record) expect(headers.authorization).toBe(`Bearer ${provider.key}`);
  });

  test(`a bearer token with ${what} is the token itself`, async () => {
    const env = { CODEMIE_URL: sandbox.origin, CODEMIE_JWT_TOKEN: wrap(adasToken) };
    expect(await person.run(["token"], { env })).toMatchObject({ code: 0, out: `${adasToken}\n` });
  });
}

for (const [what, wrap] of cases(wraps)) {
  test(`an address with ${what} is the address itself`, async () => {
    const env = { CODEMIE_URL: wrap(sandbox.origin), CODEMIE_JWT_TOKEN: adasToken };
    expect(await person.run(["token", "--format", "json"], { env })).toMatchObject({ code: 0 });
    const { out } = await person.run(["profile", "status", "--json"], { env });
    expect(JSON.parse(out).url).toBe(sandbox.origin);
  });
}

const unreplaced = ["$MY_VALUE", "$" + "{MY_VALUE}", "%MY_VALUE%", "$" + "{{ secrets.MY_VALUE }}", "$(my-value)"];
const masks = ["***", "••••••", "<your-key>", "[redacted]", "xxxxxxxx"];
for (const value of cases([...unreplaced, ...masks])) {
  const why = masks.includes(value) ? "which stands for the value" : "nothing replaced that by its value";
  test(`${value} is named for what it is, and goes nowhere`, async () => {
    const provider = await ownProvider("litellm");
    const args = ["setup", "--provider", "litellm", "--url", provider.origin, "--key-stdin", "--yes"];
    const key = await person.run(args, { stdin: value });
    expect([key.code, key.err]).toEqual([2, expect.stringContaining(why)]);
    const token = await person.run(["token"], { env: { CODEMIE_URL: sandbox.origin, CODEMIE_JWT_TOKEN: value } });
    expect([token.code, token.err]).toEqual([4, expect.stringContaining(why)]);
    const address = await person.run(["token"], { env: { CODEMIE_URL: value, CODEMIE_JWT_TOKEN: adasToken } });
    expect([address.code, address.err]).toEqual([2, expect.stringContaining(why)]);
    expect(provider.record.length + sandbox.record.length).toBe(0);
  });
}
