import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { Person } from "../support/codemie.ts";
import { certificateFor } from "../support/corporate.ts";
import { adasToken } from "../support/token.ts";

/** Threat: somebody in between shows another certificate, and a variable in the shell makes the program believe it. */

let server: Bun.Server<undefined>;
let url = "";
let requests = 0;
let certificate = "";
let unrelated = "";
let person: Person;
beforeAll(async () => {
  const pair = await certificateFor("127.0.0.1");
  certificate = pair.cert;
  unrelated = (await certificateFor("other.test")).cert;
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: pair.cert, key: pair.private },
    fetch: (request) => {
      requests++;
      if (request.url.endsWith("/v1/user")) return Response.json({ user_id: "ada", name: "Ada", email: "a@x.example" });
      return Response.json([]);
    },
  });
  url = `https://127.0.0.1:${server.port}`;
});
beforeEach(async () => {
  person = new Person();
  requests = 0;
  await Bun.write(`${person.root}/ca.pem`, certificate);
  await Bun.write(`${person.root}/unrelated.pem`, unrelated);
  await Bun.write(`${person.cwd}/ca.pem`, certificate);
  await Bun.write(`${person.root}/empty.pem`, "no certificate here\n");
});
afterEach(() => person.remove());
afterAll(() => server.stop(true));

const models = (env: Record<string, string>, args: readonly string[] = []) =>
  person.run(["models", "--json", ...args], { env: { CODEMIE_JWT_TOKEN: adasToken, CODEMIE_URL: url, ...env } });

for (const env of [
  {},
  { NODE_TLS_REJECT_UNAUTHORIZED: "0" },
  { CODEMIE_INSECURE: "true" },
  { CODEMIE_INSECURE_SKIP_TLS_VERIFY: "true" },
  { insecureSkipTlsVerify: "true" },
] as Record<string, string>[]) {
  test(`a certificate nobody vouches for is refused ${JSON.stringify(env)}`, async () => {
    const { code, out } = await models(env);
    expect(code).toBe(5);
    expect(JSON.parse(out).error).toMatchObject({
      code: "tls",
      message: expect.stringContaining(`the certificate of ${url} cannot be trusted`),
      hint: expect.stringContaining("CODEMIE_CA_CERTS"),
    });
    expect(requests).toBe(0);
  });
}

test("a login is refused the same way", async () => {
  const { code, err } = await person.run(["profile", "login", "--url", url]);
  expect(code).toBe(5);
  expect(err).toContain("error: the certificate of https://127.0.0.1:");
  expect(requests).toBe(0);
});

test("authorities of CODEMIE_CA_CERTS and NODE_EXTRA_CA_CERTS are believed, each also beside the other", async () => {
  const [own, other] = [`${person.root}/ca.pem`, `${person.root}/unrelated.pem`];
  for (const env of [
    { CODEMIE_CA_CERTS: own },
    { NODE_EXTRA_CA_CERTS: own },
    { CODEMIE_CA_CERTS: own, NODE_EXTRA_CA_CERTS: other },
    { CODEMIE_CA_CERTS: other, NODE_EXTRA_CA_CERTS: own },
  ] as Record<string, string>[]) {
    expect({ env, code: (await models(env)).code }).toEqual({ env, code: 0 });
  }
});

test("doctor judges a certificate as requests do", async () => {
  const check = async (env: Record<string, string>) => {
    await writeProfile(person.home, { codeMieUrl: url });
    const { out } = await person.run(["doctor", "--json"], { env });
    return (JSON.parse(out).checks as { id: string; status: string }[]).find(({ id }) => id === "tls")?.status;
  };
  expect(await check({})).toBe("failed");
  expect(await check({ CODEMIE_CA_CERTS: `${person.root}/unrelated.pem` })).toBe("failed");
  expect(await check({ CODEMIE_CA_CERTS: `${person.root}/ca.pem` })).toBe("ok");
});

test("authorities of the system stay believed beside our own", async () => {
  // what the runtime takes for the system's store can be named, here by the variables OpenSSL reads
  const system = { SSL_CERT_FILE: `${person.root}/ca.pem` };
  expect((await models(system)).code).toBe(0);
  expect((await models({ ...system, CODEMIE_CA_CERTS: `${person.root}/unrelated.pem` })).code).toBe(0);
});

for (const [file, why] of [
  ["ca.pem", "not an absolute path"],
  ["/nowhere/ca.pem", "cannot be read"],
  ["EMPTY", "no certificate in it"],
] as const) {
  test(`CODEMIE_CA_CERTS=${file} is an error, not silence: ${why}`, async () => {
    const { code, out } = await models({ CODEMIE_CA_CERTS: file.replace("EMPTY", `${person.root}/empty.pem`) });
    expect(code).toBe(2);
    expect(JSON.parse(out).error.message).toContain(why);
    expect(requests).toBe(0);
  });
}

test("NODE_EXTRA_CA_CERTS may not name a file of the current directory either", async () => {
  const { code } = await models({ NODE_EXTRA_CA_CERTS: "ca.pem" });
  expect(code).toBe(2);
  expect(requests).toBe(0);
});

async function writeProfile(folder: string, profile: Record<string, unknown>): Promise<void> {
  mkdirSync(`${folder}/.codemie`, { recursive: true });
  const config = { version: 2, activeProfile: "default", profiles: { default: profile } };
  await Bun.write(`${folder}/.codemie/codemie-cli.config.json`, JSON.stringify(config));
}

test("a profile's insecureSkipTlsVerify works for its own host, and says so on every run", async () => {
  await writeProfile(person.home, { codeMieUrl: url, insecureSkipTlsVerify: true });
  for (let run = 0; run < 2; run++) {
    const { code, err } = await models({});
    expect(code).toBe(0);
    expect(err).toContain("warning: profile default has insecureSkipTlsVerify");
  }
  expect(requests).toBe(2);
});

test("it is of no use for another host, and a repository cannot set it", async () => {
  await writeProfile(person.home, { codeMieUrl: "https://127.0.0.1:9", insecureSkipTlsVerify: true });
  expect((await models({}, [])).code).toBe(5);
  await writeProfile(person.home, { codeMieUrl: url });
  await writeProfile(person.cwd, { insecureSkipTlsVerify: true, model: "m" });
  const { code, err } = await models({});
  expect(code).toBe(5);
  expect(err).not.toContain("insecureSkipTlsVerify");
  expect(requests).toBe(0);
});

test("a profile that moves to another host takes nothing along that was said of the old one", async () => {
  const old = { codeMieUrl: "https://127.0.0.1:9", insecureSkipTlsVerify: true, gatewayPaths: ["* /v1/*"], timeout: 7 };
  const env = { TOK: adasToken, CODEMIE_CA_CERTS: `${person.root}/ca.pem` };
  for (const args of [
    ["setup", "--profile", "default", "--method", "jwt", "--url", url, "--token-env", "TOK", "--yes"],
    ["config", "set", "url", url],
  ]) {
    await writeProfile(person.home, { ...old, provider: "bearer-auth", jwtConfig: { tokenEnvVar: "TOK" } });
    expect(await person.run(args, { env })).toMatchObject({ code: 0 });
    const { default: now } = person.config().profiles;
    expect(now).toMatchObject({ codeMieUrl: url, timeout: 7 });
    expect([now.insecureSkipTlsVerify, now.gatewayPaths]).toEqual([undefined, undefined]);
  }
});

test("no switch of the runtime prints what is sent", async () => {
  for (const value of ["curl", "true", "1"]) {
    const env = { BUN_CONFIG_VERBOSE_FETCH: value, CODEMIE_CA_CERTS: `${person.root}/ca.pem` };
    const { code, out, err } = await models(env);
    expect(code).toBe(0);
    expect(out + err).not.toContain(adasToken);
    expect(err).not.toContain("llm_models");
  }
});
