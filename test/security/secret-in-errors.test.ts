import { afterEach, beforeEach, expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";
import { adasToken } from "../support/token.ts";

/** Threat: a secret typed in the wrong place, or repeated by a server, is printed, and so ends in a log. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

test("a token where the name of a variable belongs", async () => {
  const token = await sandbox.front.mintToken("ci");
  const { code, err } = await person.run([
    "setup",
    "--method",
    "jwt",
    "--url",
    sandbox.origin,
    "--token-env",
    token,
    "--yes",
  ]);
  expect([code, err.includes(token.slice(0, 30))]).toEqual([2, false]);
});

test("a key behind --key-stdin", async () => {
  const { code, err, out } = await person.run([
    "setup",
    "--provider",
    "openai",
    "--key-stdin",
    "sk-typed-as-a-word",
    "--json",
  ]);
  expect(code).toBe(2);
  expect(err + out).not.toContain("sk-typed");
});

for (const [what, args] of cases([
  ["a key behind the address", ["KEY"]],
  ["a key where the name of a variable belongs", ["--client-id", "x", "--client-secret-env", "KEY"]],
  ["a key where the name of a header's variable belongs", ["--header-env", "Authorization: Bearer KEY"]],
] as const)) {
  test(`the bridge: ${what}`, async () => {
    const key = "sk_typed_in_the_wrong_place_0123456789";
    const words = args.map((word) => word.replace("KEY", key));
    const { code, err, out } = await person.run(["mcp-proxy", "https://mcp.example.com/mcp", ...words]);
    expect(code).toBe(2);
    expect(err + out).not.toContain("sk_typed");
  });
}

test("a provider that repeats the key it refuses", async () => {
  const key = "sk-repeated-by-the-server-0123456789";
  for (const status of [401, 500]) {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) =>
        Response.json({ error: { message: `no such key: ${request.headers.get("authorization")}` } }, { status }),
    });
    for (const more of [[], ["--json"]]) {
      const url = `http://127.0.0.1:${server.port}`;
      const args = ["setup", "--provider", "openai", "--url", url, "--key-stdin", "--yes", ...more];
      const { code, err, out } = await person.run(args, { stdin: key });
      expect(code).not.toBe(0);
      expect(err + out).toContain("[redacted]");
      expect(err + out).not.toContain(key);
    }
    await server.stop(true);
  }
});

for (const status of cases([403, 500])) {
  for (const before of ["no: ", "x".repeat(130)]) {
    test(`a host that repeats the credential with ${status}, behind ${before.length} characters, shows no part of it`, async () => {
      const token = `${adasToken}${"a".repeat(60)}`;
      const server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: ({ headers }) => Response.json({ message: `${before}${headers.get("authorization")}` }, { status }),
      });
      const env = { CODEMIE_URL: `http://127.0.0.1:${server.port}`, CODEMIE_JWT_TOKEN: token };
      for (const command of [["models"], ["models", "--json"], ["profile", "status"], ["doctor"]]) {
        const { err, out } = await person.run(command, { env });
        expect(err + out).not.toContain(token.slice(0, 12));
      }
      expect((await person.run(["models"], { env })).err).toContain("[redacted]");
      await server.stop(true);
    });
  }
}

test("a provider's key that lies across the end of what is shown is not shown in part", async () => {
  const key = "sk-repeated-by-the-server-0123456789";
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ headers }) =>
      Response.json({ error: { message: `${"x".repeat(170)} ${headers.get("authorization")}` } }, { status: 401 }),
  });
  const args = ["setup", "--provider", "openai", "--url", `http://127.0.0.1:${server.port}`, "--key-stdin", "--yes"];
  const { err, out } = await person.run(args, { stdin: key });
  expect(err + out).not.toContain("sk-rep");
  await server.stop(true);
});

test("a token or a key for a login that takes none is refused, not dropped in silence", async () => {
  for (const flag of ["--key-stdin", "--token-stdin"]) {
    const args = ["setup", "--method", "sso", "--url", sandbox.origin, flag, "--yes"];
    const { code, err } = await person.run(args, { stdin: "sk-0123456789" });
    expect([code, err.includes(`${flag} does not go with --method sso`)]).toEqual([2, true]);
  }
});

for (const flags of cases([["--device"], []])) {
  test(`a provider that repeats the client's secret and the code, in a login ${flags[0] ?? "that pushes its request"}`, async () => {
    const deviceCode = "DEVICE-CODE-of-this-login";
    const secret = "S3CR3T+of/the client";
    const provider = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        const { origin, pathname } = new URL(request.url);
        if (pathname.includes("/.well-known/")) {
          return Response.json({
            issuer: origin,
            authorization_endpoint: `${origin}/authorize`,
            token_endpoint: `${origin}/token`,
            jwks_uri: `${origin}/keys`,
            device_authorization_endpoint: `${origin}/device`,
            require_pushed_authorization_requests: true,
            pushed_authorization_request_endpoint: `${origin}/par`,
            token_endpoint_auth_methods_supported: ["client_secret_post"],
          });
        }
        if (pathname === "/device") {
          return Response.json({ device_code: deviceCode, user_code: "AB-CD", verification_uri: origin, interval: 1 });
        }
        const form = await request.text();
        const sent = new URLSearchParams(form);
        const said = `${sent.get("client_secret")} ${sent.get("device_code")} ${form}`;
        return Response.json({ error: "invalid_client", error_description: `no ${said}` }, { status: 400 });
      },
    });
    const issuer = `http://127.0.0.1:${provider.port}`;
    const client = ["--issuer", issuer, "--client-id", "cid", "--client-secret-env", "SEC"];
    const args = ["profile", "login", "--url", sandbox.origin, ...client, ...flags, "--timeout", "20"];
    const { err, out, code } = await person.run(args, { env: { SEC: secret } });
    expect(code).toBe(4);
    expect(err + out).toContain("[redacted]");
    for (const one of [secret, encodeURIComponent(secret), "S3CR3T", deviceCode]) expect(err + out).not.toContain(one);
    await provider.stop(true);
  });
}
