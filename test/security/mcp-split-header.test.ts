import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { cases } from "../support/tiers.ts";

/** Threat: a token that lands in the wrong place of the command line, and from there in a log of standard error. */

const url = "https://mcp.example.com/mcp";
const secret = "S3CRET-T0KEN";

for (const args of cases([
  [url, "--header", "Authorization:Bearer", secret],
  [url, "--header", "Authorization:", "Bearer", secret],
  [url, "--header=Authorization:Bearer", secret],
  [url, "--header-env", "Authorization:", secret],
  ["--header", "Authorization:Bearer", secret],
  ["--header", "Authorization:", "Bearer", secret, url],
])) {
  test(`a header split at its blank: ${args.join(" ")}`, async () => {
    const person = new Person();
    const { code, out, err } = await person.run(["mcp-proxy", ...args]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("a header was split at its blank");
    expect(err).toContain("--header-env Authorization:MCP_TOKEN");
    expect(err).not.toContain(secret);
    person.remove();
  });
}

for (const args of cases([
  [url, secret],
  [secret],
  [`${secret}:${secret}`],
  [url, `-${secret}`],
  [url, `--${secret}`],
  [url, `--${secret}=x`],
  [url, "--header", "Authorization:Bearer", `-${secret}`],
  [url, "--prompt", `${secret}!`],
  [url, "--authorize-param", secret],
])) {
  test(`no unknown word is repeated: ${args.join(" ")}`, async () => {
    const person = new Person();
    const { code, err } = await person.run(["mcp-proxy", ...args]);
    expect(code).toBe(2);
    expect(err.toUpperCase()).not.toContain(secret);
    person.remove();
  });
}

test("a flag with a slip is told apart from others by its place, and the right one is named", async () => {
  const person = new Person();
  const { err } = await person.run(["mcp-proxy", url, "--persits"]);
  expect(err).toContain("has no flag --persits");
  expect((await person.run(["mcp-proxy", url, "--Persist"])).err).toContain("word 2 of the command line is no flag");
  expect(err).toContain("did you mean --persist");
  person.remove();
});

for (const [value, expected] of cases([
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: as an agent's configuration writes it
  ["X-Key: ${NOT_SET}", "names the variable NOT_SET, which is not set"],
  ["X-Key: ${not set}", "holds a variable that nothing replaced"],
  ["Authorization: Bearer $TOKEN", "holds a variable that nothing replaced"],
  ["Authorization: Bearer %TOKEN%", "holds a variable that nothing replaced"],
  ["Authorization: Bearer ", "holds no credential"],
  ["Authorization: ${NOT_SET:-}", "holds no credential"],
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: as above
] as const)) {
  test(`--header '${value}' is told apart from a value`, async () => {
    const person = new Person();
    const { code, err } = await person.run(["mcp-proxy", url, "--header", value]);
    expect([code, err]).toEqual([2, expect.stringContaining(expected)]);
    person.remove();
  });
}

for (const name of cases(["state", "redirect_uri", "code_challenge", "Client_ID", "request_uri"])) {
  test(`--authorize-param cannot set ${name}`, async () => {
    const person = new Person();
    const { code, err } = await person.run(["mcp-proxy", url, "--authorize-param", `${name}=x`]);
    expect([code, err]).toEqual([2, expect.stringContaining("the bridge sets it")]);
    person.remove();
  });
}

test("a header file that holds something else: its line is named and not repeated", async () => {
  const person = new Person();
  await Bun.write(`${person.cwd}/headers`, `X-A: 1\n${secret}\n`);
  const { code, err } = await person.run(["mcp-proxy", url, "--header-file", "headers"]);
  expect([code, err]).toEqual([2, expect.stringContaining("line 2 of")]);
  expect(err).not.toContain(secret);
  expect((await person.run(["mcp-proxy", url, "--header-file", "none"])).err).toContain("there is no file");
  person.remove();
});

test("no hint names an address that would send a token in clear", async () => {
  const { mcpFailure } = await import("../../src/mcp/failures.ts");
  expect(mcpFailure.redirect("https://a.example.com/mcp", "http://a.example.com/mcp").hint).not.toContain("register");
  expect(mcpFailure.redirect("https://a.example.com/mcp", "https://b.example.com/mcp").hint).toContain("register");
});
