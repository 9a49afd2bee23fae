import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { AuthorizedBridge, type Settings, startProtected } from "../support/mcp/protected.ts";
import { sendJson } from "../support/sandbox/http.ts";
import { cases } from "../support/tiers.ts";

/** Threat: a server repeats a secret that it was sent, and the agent, the terminal or the log shows it. */

/** Characters that a form, an address and JSON each spell in their own way. */
const clientSecret = 'S3CR3T "of"/the+client&9876';
const key = "KEY-of-the-user-13579";

/** Starts a bridge and ends it; returns all that it printed and logged, and the error that the client got. */
async function shown(url: string, flags: string[], env: Record<string, string> = {}, person = new Person()) {
  const bridge = new AuthorizedBridge(url, flags, env, person);
  const { error } = await bridge.initialize();
  await bridge.end();
  const all = `${error?.message}\n${bridge.err}\n${bridge.log()}`;
  person.remove();
  return { message: String(error?.message), all };
}

/** Checks that a mask stands where the secrets were, in whatever spelling. */
function expectMasked({ message, all }: { message: string; all: string }, secrets: string[]) {
  expect(message).toContain("[redacted]");
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(7);
    const spellings = [secret, encodeURIComponent(secret), new URLSearchParams({ "": secret }).toString().slice(1)];
    for (const one of spellings) expect(all).not.toContain(one);
  }
}

/** A token endpoint that refuses, in words that hold all it was sent. */
const echoing =
  (status: number, path = "/token"): Settings["answer"] =>
  (seen, response) => {
    if (seen.path !== path) return;
    const form = new URLSearchParams(seen.body);
    const secrets = ["client_secret", "client_assertion", "code", "code_verifier", "id_token_hint"];
    const said = secrets.flatMap((name) => form.get(name) ?? []);
    const error_description = `no ${seen.headers.authorization} ${said.join(" ")} ${seen.body}`;
    sendJson(response, status, { error: "invalid_client", error_description });
  };

for (const method of cases(["client_secret_post", "client_secret_basic"])) {
  for (const status of [400, 200]) {
    test(`a token endpoint that repeats the client's secret, sent by ${method}, with ${status}`, async () => {
      const server = await startProtected({
        answer: echoing(status),
        server: { token_endpoint_auth_methods_supported: [method] },
      });
      const flags = ["--grant", "client-credentials", "--client-id", "cid", "--client-secret-env", "SEC"];
      const result = await shown(server.url, flags, { SEC: clientSecret });
      const basic = String(server.calls("/token")[0]?.headers.authorization ?? "").replace("Basic ", "");
      expectMasked(result, [clientSecret, ...(basic === "" ? [] : [basic])]);
      await server.close();
    });
  }
}

test("a token endpoint that repeats code and verifier", async () => {
  const server = await startProtected({ answer: echoing(400) });
  const result = await shown(server.url, []);
  const form = new URLSearchParams(server.calls("/token")[0]?.body);
  expectMasked(result, [form.get("code") ?? "", form.get("code_verifier") ?? ""]);
  await server.close();
});

test("a pushed authorization request, and a callback, that repeat a secret parameter", async () => {
  const flags = ["--authorize-param", `id_token_hint=${key}`];
  const pushed = await startProtected({ answer: echoing(400, "/par") });
  pushed.settings.server = {
    require_pushed_authorization_requests: true,
    pushed_authorization_request_endpoint: `${pushed.issuer}/par`,
  };
  const refused = await shown(pushed.url, flags);
  expectMasked({ message: refused.message, all: refused.message }, [key]);
  await pushed.close();

  const callback = { error: "access_denied", error_description: `no ${key}`, code: undefined };
  const server = await startProtected({ callback });
  const { message } = await shown(server.url, flags);
  expectMasked({ message, all: message }, [key]);
  await server.close();
});

/** A server that repeats its key, its cookie and its token. */
function repeating(answer: (key: string) => Response) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ headers }) => answer(`${headers.get("x-api-key")} ${headers.get("authorization") ?? ""}`),
  });
}

for (const [what, answer] of cases([
  ["a refusal", (said: string) => Response.json({ error: { message: `no ${said}` } }, { status: 400 })],
  [
    "a refusal whose cut would part the key",
    (said: string) => Response.json({ message: `${"x".repeat(285)} ${said}` }, { status: 500 }),
  ],
  ["a content type", (said: string) => new Response("x", { headers: { "content-type": `text/${said}`.trim() } })],
  [
    "a redirect",
    (said: string) => new Response("", { status: 307, headers: { location: `https://a.example/${said}` } }),
  ],
] as const)) {
  for (const transport of ["http", "sse"]) {
    test(`${what} of a server over ${transport} that repeats the key of --header-env or --header-file`, async () => {
      const server = repeating(answer);
      const url = `http://127.0.0.1:${server.port}/mcp`;
      const common = ["--transport", transport];
      const person = new Person();
      const file = join(person.root, "headers");
      writeFileSync(file, `x-api-key: ${key}\n`);
      const byEnv = await shown(url, [...common, "--header-env", "x-api-key: KEY"], { KEY: key });
      const byFile = await shown(url, [...common, "--header-file", file], {}, person);
      for (const { message, all } of [byEnv, byFile]) {
        expect(message).not.toBe("undefined");
        for (const secret of [key, key.toLowerCase(), key.slice(0, 6)]) expect(all).not.toContain(secret);
      }
      await server.stop(true);
    });
  }
}

test("a server that repeats the access token, or a key in its address", async () => {
  const server = await startProtected();
  server.settings.guard = (_message, _scope, response) => {
    const said = [...server.live.keys(), "KEY-in-the-address"].join(" ");
    sendJson(response, 400, { message: `no ${said}` });
    return true;
  };
  const result = await shown(`${server.url}?key=KEY-in-the-address`, []);
  expectMasked(
    result,
    [...server.live.keys(), "KEY-in-the-address"].filter((one) => one.length > 0),
  );
  expect(server.secrets.some((secret) => result.all.includes(secret))).toBe(false);
  await server.close();
});

test("--explain shows no key that the challenge repeats", async () => {
  const server = repeating(
    (said) => new Response("", { status: 401, headers: { "www-authenticate": `Bearer realm="no ${said}"` } }),
  );
  const person = new Person();
  const url = `http://127.0.0.1:${server.port}/mcp`;
  const args = ["mcp-proxy", url, "--explain", "--header-env", "x-api-key: KEY"];
  for (const more of [[], ["--json"]]) {
    const { out, err } = await person.run([...args, ...more], { env: { KEY: key } });
    expect(out + err).toContain("[redacted]");
    expect(out + err).not.toContain(key);
  }
  person.remove();
  await server.stop(true);
});
