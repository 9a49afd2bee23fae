import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startCi } from "../support/ci.ts";
import { Person } from "../support/codemie.ts";
import { startCorporate } from "../support/corporate.ts";
import { textBelow } from "../support/files.ts";
import { startScriptedProvider } from "../support/scripted-provider.ts";
import { sharedCi, sharedSandbox } from "../support/shared.ts";
import { unsigned } from "../support/token.ts";

/**
 * The key to a job's identity goes to somebody else than its CI system; a token that is meant for others, or has ended, is
 * sent; a token shows in what we print or keep.
 */

const sandbox = await sharedSandbox();
const ci = await sharedCi(sandbox);
const stranger = await startCi();
afterAll(() => stranger.close());
let person: Person;
let job: Record<string, string>;
beforeEach(() => {
  person = new Person();
  job = ci.envIn(person.root);
  stranger.reset();
});
afterEach(() => person.remove());

/** Runs a command with an identity, and checks that nothing it says or writes holds a token. */
async function models(flags: readonly string[], env: Record<string, string> = {}) {
  const line = ["models", "--json", "--url", sandbox.origin, ...flags];
  const { code, out, err } = await person.run(line, { env: { ...job, ...env } });
  const all = out + err + textBelow(person.root);
  for (const secret of [ci.requestToken, ...ci.issued, ...stranger.issued]) expect(all.includes(secret)).toBe(false);
  const { error } = JSON.parse(out);
  return { code, is: error?.code, says: `${error?.message} | ${error?.hint}` };
}

const port = (url: string) => new URL(url).port;
const path = "/_services/pipelines/idtoken?api-version=2.0";
const foreign: [string, () => Record<string, string>][] = [
  ["plain http", () => ({ ACTIONS_ID_TOKEN_REQUEST_URL: `http://localhost:${port(ci.url)}${path}` })],
  [
    "http on both",
    () => {
      const url = `http://localhost:${port(ci.url)}`;
      return { ACTIONS_ID_TOKEN_REQUEST_URL: url + path, GITHUB_SERVER_URL: url };
    },
  ],
  ["another host", () => ({ ACTIONS_ID_TOKEN_REQUEST_URL: `${stranger.url}${path}` })],
  [
    "another name of this machine",
    () => ({ ACTIONS_ID_TOKEN_REQUEST_URL: `https://127.0.0.1:${port(ci.url)}${path}` }),
  ],
  ["a host below the server's name", () => ({ GITHUB_SERVER_URL: "https://host" })],
  ["a job of github.com", () => ({ GITHUB_SERVER_URL: "https://github.com" })],
  ["a job without a server's name", () => ({ GITHUB_SERVER_URL: "" })],
  ["a server's name that is none", () => ({ GITHUB_SERVER_URL: "github" })],
  ["github.com itself", () => ({ GITHUB_SERVER_URL: "", ACTIONS_ID_TOKEN_REQUEST_URL: `https://github.com${path}` })],
  [
    "a name that only ends alike",
    () => ({ GITHUB_SERVER_URL: "", ACTIONS_ID_TOKEN_REQUEST_URL: `https://evilactions.githubusercontent.com${path}` }),
  ],
  [
    "a name that only begins alike",
    () => ({
      GITHUB_SERVER_URL: "",
      ACTIONS_ID_TOKEN_REQUEST_URL: `https://x.actions.githubusercontent.com.localhost:${port(stranger.url)}${path}`,
    }),
  ],
  [
    "a port of its own",
    () => ({
      GITHUB_SERVER_URL: "",
      ACTIONS_ID_TOKEN_REQUEST_URL: `https://x.actions.githubusercontent.com:${port(stranger.url)}${path}`,
    }),
  ],
  [
    "a user's name in it",
    () => ({
      ACTIONS_ID_TOKEN_REQUEST_URL: `https://localhost:${port(ci.url)}@localhost:${port(stranger.url)}${path}`,
    }),
  ],
  ["no address", () => ({ ACTIONS_ID_TOKEN_REQUEST_URL: "%%%" })],
];
for (const [what, changes] of foreign) {
  test(`the request for a token is not sent: ${what}`, async () => {
    expect(await models(["--id-token", "github"], changes())).toMatchObject({
      code: 4,
      is: "auth_refused",
      says: expect.stringContaining("is not an https: one of GitHub Actions"),
    });
    expect([...ci.requests, ...stranger.requests, ...sandbox.record]).toEqual([]);
  });
}

test("a host of github.com's own is asked, and its certificate verified", async () => {
  const name = "run-actions-1-azure-eastus.actions.githubusercontent.com";
  const github = await startCi(name);
  const network = await startCorporate(sandbox.origin);
  try {
    network.tunnelTo = Number(port(github.url));
    sandbox.front.trust(github.issuer, sandbox.origin, github.publicKey);
    const env = {
      ...github.envIn(person.root),
      HTTPS_PROXY: network.proxyUrl,
      GITHUB_SERVER_URL: "https://github.com",
    };
    const asking = { ...env, ACTIONS_ID_TOKEN_REQUEST_URL: `https://${name}${path}` };
    expect((await models(["--id-token", "github"], asking)).code).toBe(0);
    expect(network.asked).toEqual([`CONNECT ${name}:443`]);
    expect(github.requests).toEqual([{ audience: sandbox.origin, authorization: `bearer ${github.requestToken}` }]);
    const other = { ...asking, CODEMIE_CA_CERTS: job.CODEMIE_CA_CERTS ?? "" };
    ci.envIn(person.root); // the other issuer's certificate in that file
    expect(await models(["--id-token", "github"], other)).toMatchObject({ code: 5, is: "tls" });
    expect(github.requests).toHaveLength(1);
  } finally {
    await Promise.all([github.close(), network.close()]);
  }
});

const answers: [string, () => Response, string, number][] = [
  ["a redirect", () => Response.redirect(`${stranger.url}${path}`, 307), "answered 307 without", 1],
  ["a page", () => new Response("<html>", { headers: { "content-type": "text/html" } }), "answered 200 without", 1],
  ["no token in it", () => Response.json({ count: 0 }), "answered 200 without", 1],
  ["a refusal that repeats the key", () => new Response(ci.requestToken, { status: 403 }), "answered 403 without", 1],
  ["something that is no token", () => Response.json({ value: "eyJ" }), "three base64url parts", 4],
  ["a token without a signature", () => Response.json({ value: `${unsigned({}).split(".")[0]}.e30.` }), "three", 4],
  ["a megabyte and more", () => new Response("x".repeat(2_000_000)), "sent more than", 1],
];
for (const [what, answer, says, code] of answers) {
  test(`the CI system answers with ${what}: nothing is sent to the host`, async () => {
    ci.answer = answer;
    expect(await models(["--id-token", "github"])).toMatchObject({ code, says: expect.stringContaining(says) });
    expect([...stranger.requests, ...sandbox.record]).toEqual([]);
  });
}

test("an endpoint that never ends its answer is given up", async () => {
  const endless = () => {
    const first = new TextEncoder().encode('{"value":"');
    return new Response(new ReadableStream({ start: (control) => control.enqueue(first) }));
  };
  ci.answer = endless;
  expect(await models(["--id-token", "github"])).toMatchObject({ code: 5, is: "unreachable" });
  expect(sandbox.record).toEqual([]);
});

const now = () => Math.floor(Date.now() / 1000);
const claims: [string, () => Record<string, unknown>, string, string][] = [
  [
    "for somebody else",
    () => ({ aud: "https://elsewhere.example" }),
    "auth_refused",
    "it is for https://elsewhere.exam",
  ],
  ["for others, in a list", () => ({ aud: ["a", "b"] }), "auth_refused", "it is for a, b, not for"],
  ["for a name that begins alike", () => ({ aud: `${sandbox.origin}.example` }), "auth_refused", "not for"],
  ["for nobody", () => ({ aud: undefined }), "auth_refused", "it is for nobody"],
  ["for no text", () => ({ aud: 7 }), "auth_refused", "not for"],
  ["that has ended", () => ({ exp: now() - 120 }), "auth_expired", "expired at 20"],
  ["that never ends", () => ({ exp: undefined }), "auth_refused", "does not say when it ends"],
  ["that ends at no time", () => ({ exp: "soon" }), "auth_refused", "its exp is not a time"],
  ["of tomorrow", () => ({ nbf: now() + 86_400, exp: now() + 90_000 }), "auth_refused", "not valid before"],
];
for (const [what, changes, code, says] of claims) {
  test(`a token ${what} is not sent, wherever it comes from`, async () => {
    const text = await ci.mint({ aud: sandbox.origin, ...changes() });
    const file = join(person.root, "cwd", "token");
    ci.claims = changes();
    // The checks of what is kept look below the person's folder, where this file lies by our own hand.
    writeFileSync(file, text);
    for (const source of ["github", "env:JOB", `file:${file}`]) {
      const found = await models(["--id-token", source], { JOB: text });
      expect(found).toMatchObject({ code: 4, is: code, says: expect.stringContaining(says) });
    }
    expect(sandbox.record).toEqual([]);
  });
}

for (const [exp, says] of [
  ["soon", undefined],
  [1e300, undefined],
  [-1, undefined],
  [1, "the token that it gave has ended"],
] as const) {
  test(`a provider's token that ends at ${exp}: no command stumbles over it, or it is refused`, async () => {
    const provider = await startScriptedProvider();
    const answer = { access_token: unsigned({ sub: "ci", exp }), token_type: "Bearer" };
    provider.answer = (path) => (path === "/token" ? Response.json(answer) : undefined);
    const env = { ...job, CODEMIE_URL: provider.origin };
    const flags = ["--id-token", "github", "--issuer", provider.origin, "--client-id", "cli"];
    for (const args of [["token"], ["profile", "status"]]) {
      const { code, out, err } = await person.run([...args, ...flags], { env });
      expect({ args, stumbles: /unexpected|defect|Invalid|NaN/.test(out + err) }).toEqual({ args, stumbles: false });
      if (says) expect([code > 0, (out + err).replaceAll(/\s+/g, " ")]).toEqual([true, expect.stringContaining(says)]);
      else expect(code).toBe(0);
    }
    await provider.stop();
  });
}

const sources: [string, (folder: string) => string, number, string][] = [
  ["nothing known", () => "gitlab", 2, "must be github, env:NAME or file:PATH"],
  ["an empty name", () => "env:", 2, "must be github, env:NAME or file:PATH"],
  ["no variable's name", () => "env:A B", 2, "must be github, env:NAME or file:PATH"],
  ["a variable that is not set", () => "env:NOT_SET", 4, "NOT_SET, which should hold the identity token, is not set"],
  ["an empty variable", () => "env:EMPTY", 4, "is empty"],
  ["a relative file", () => "file:token", 2, "a relative path"],
  ["a file of the current folder", () => "file:./token", 2, "a relative path"],
  ["no file's name", () => "file:", 2, "a relative path"],
  ["a missing file", (folder) => `file:${folder}/missing`, 4, "there is no such file"],
  ["a folder", (folder) => `file:${folder}`, 4, "it is a folder"],
  ["a pipe", (folder) => `file:${folder}/pipe`, 4, "it is not a file"],
  ["a link to a device", (folder) => `file:${folder}/device`, 4, "it is not a file"],
  ["a huge file", (folder) => `file:${folder}/huge`, 4, "it is too long"],
  ["standard input", () => "file:/dev/stdin", 4, "it is not a file"],
];
for (const [what, sourceIn, code, says] of sources) {
  test(`${what} as the source is refused`, async () => {
    const folder = join(person.root, "sources");
    mkdirSync(folder);
    Bun.spawnSync(["mkfifo", join(folder, "pipe")]);
    symlinkSync("/dev/zero", join(folder, "device"));
    if (what === "a huge file") writeFileSync(join(folder, "huge"), "x".repeat(2_000_000));
    writeFileSync(join(person.cwd, "token"), await ci.mint({ aud: sandbox.origin }));
    const value = sourceIn(folder);
    for (const [flags, env] of [
      [["--id-token", value], {}],
      [[], { CODEMIE_ID_TOKEN: value }],
    ] as const) {
      const found = await models(flags, { ...env, EMPTY: "" });
      expect(found).toMatchObject({ code, says: expect.stringContaining(says) });
    }
    expect(sandbox.record).toEqual([]);
  });
}

test("a job that may not ask is told which permission it lacks", async () => {
  for (const name of ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"]) {
    const found = await models(["--id-token", "github"], { [name]: "" });
    expect(found).toMatchObject({ code: 4, is: "auth_needed", says: expect.stringContaining("id-token: write") });
  }
  const broken = await models(["--id-token", "github"], { ACTIONS_ID_TOKEN_REQUEST_TOKEN: "a\nb: c" });
  expect(broken).toMatchObject({ code: 4, is: "auth_needed" });
  expect(ci.requests).toEqual([]);
});

test("a token in place of its source is not repeated", async () => {
  const token = await ci.mint({ aud: sandbox.origin });
  for (const flags of [["--id-token", token], [`--id-token=${token}`], ["--id-token", `env:${token}`]]) {
    const { code, out, err } = await person.run(["models", "--url", sandbox.origin, ...flags]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("--id-token must be github, env:NAME or file:PATH");
    expect(err).not.toContain(token.slice(0, 40));
  }
});

test("two credentials at once are refused, and so are flags without an identity", async () => {
  const token = await sandbox.front.mintToken("ci");
  const file = join(person.root, "token");
  writeFileSync(file, token);
  for (const other of [
    ["--jwt-token", token],
    ["--jwt-token-file", file],
    ["--api-key", "key"],
  ]) {
    const found = await models(["--id-token", "github", ...other]);
    expect(found).toMatchObject({ code: 2, says: expect.stringContaining("use only one of") });
  }
  for (const alone of ["--audience", "--issuer", "--client-id", "--scope"]) {
    const found = await models([alone, "https://sso.example"]);
    expect(found).toMatchObject({ code: 2, says: expect.stringContaining("--id-token github") });
  }
  for (const half of ["--issuer", "--client-id"]) {
    const found = await models(["--id-token", "github", half, "https://sso.example"]);
    expect(found).toMatchObject({
      code: 2,
      says: expect.stringContaining("give both --issuer URL and --client-id ID"),
    });
  }
  expect([...ci.requests, ...sandbox.record]).toEqual([]);
});

test("a provider that is not https, or that leads elsewhere, gets no token", async () => {
  const token = await ci.mint({ aud: "http://sso.example" });
  const flags = ["--id-token", "env:JOB", "--client-id", "ci", "--issuer"];
  const found = await models([...flags, "http://sso.example"], { JOB: token });
  expect(found).toMatchObject({ code: 1, says: expect.stringContaining("an issuer must be an https: address") });
  const metadata = (endpoint: string) => ({
    issuer: leader.url.origin,
    authorization_endpoint: `${leader.url.origin}/auth`,
    jwks_uri: `${leader.url.origin}/jwks`,
    token_endpoint: endpoint,
  });
  let endpoint = "http://elsewhere.example/token";
  const bodies: string[] = [];
  const leader: Bun.Server<undefined> = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request): Promise<Response> {
      if (new URL(request.url).pathname.startsWith("/.well-known/")) return Response.json(metadata(endpoint));
      bodies.push(await request.text());
      return Response.redirect(`${stranger.url}${path}`, 307);
    },
  });
  try {
    const origin = leader.url.origin;
    const env = { JOB: await ci.mint({ aud: origin }) };
    expect(await models([...flags, origin], env)).toMatchObject({ code: 1, is: "server_error" });
    expect(bodies).toEqual([]);
    endpoint = `${origin}/token`;
    const redirected = await models([...flags, origin], env);
    expect(redirected).toMatchObject({ code: 1, says: expect.stringContaining("the token endpoint redirects") });
    expect(bodies).toHaveLength(1);
    expect([...stranger.requests, ...sandbox.record]).toEqual([]);
  } finally {
    leader.stop(true);
  }
});
