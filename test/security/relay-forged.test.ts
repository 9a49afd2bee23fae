import { afterAll, expect, test } from "bun:test";
import { startProtected } from "../support/mcp/protected.ts";
import { startRelay } from "../support/relay.ts";

/** Threat: somebody makes an address of the relay, or uses one for something else than the gateway handed it out for. */

const [relay, first, second] = [await startRelay(), await startProtected(), await startProtected()];
afterAll(async () => {
  for (const host of [first, second]) await host.close();
  await relay[Symbol.asyncDispose]();
});

type Metadata = Record<string, string>;

const json = async (address: string): Promise<Metadata> =>
  (await (await fetch(address, { redirect: "manual" })).json()) as Metadata;

/** What a client of an MCP server is told, from the challenge to the endpoints. */
async function told(url: string) {
  const challenged = await fetch(relay.entry(url), { method: "POST", body: "{}" });
  const [, challenge = ""] = /resource_metadata="([^"]+)"/.exec(challenged.headers.get("www-authenticate") ?? "") ?? [];
  const resource = await json(challenge);
  const [issuer = ""] = resource.authorization_servers as unknown as string[];
  const { origin, pathname } = new URL(issuer);
  const server = await json(`${origin}/.well-known/oauth-authorization-server${pathname}`);
  return { challenge, issuer, resource, server };
}

const [mine, other] = [await told(first.url), await told(second.url)];
const {
  token_endpoint: token = "",
  registration_endpoint: register = "",
  revocation_endpoint: revoke = "",
} = mine.server;
/** `/~KEY/mcp_relay/ROOT/TARGET.PROOF/…` */
const partsOf = (address: string) => new URL(address).pathname.split("/") as [string, string, string, string, string];
const [, keyed = "", , root = "", target = ""] = partsOf(token);
const [what = "", proof = ""] = target.split(".");
const encode = (text: string) => Buffer.from(text).toString("base64url");
const decode = (text: string) => Buffer.from(text, "base64url").toString();
const at = (path: string) => `${relay.started.url}${path}`;
const [, , , otherRoot = "", otherTarget = ""] = partsOf(other.server.token_endpoint ?? "");
const [, , , , revocation = ""] = partsOf(revoke);
const [, , , , issuerPart = ""] = partsOf(mine.issuer);

const forged: readonly (readonly [string, string])[] = [
  [
    "another target, with the proof of this one",
    at(`/${keyed}/mcp_relay/${root}/${encode(`t${second.issuer}`)}.${proof}/token`),
  ],
  [
    "a target as the former relay wrote it, without a proof",
    at(`/${keyed}/mcp_relay/${encode(first.origin)}/${encode(first.issuer)}/token`),
  ],
  ["no proof", at(`/${keyed}/mcp_relay/${root}/${what}/token`)],
  ["an empty proof", at(`/${keyed}/mcp_relay/${root}/${what}./token`)],
  ["a proof cut off", at(`/${keyed}/mcp_relay/${root}/${what}.${proof.slice(0, -1)}/token`)],
  ["a proof with more behind it", at(`/${keyed}/mcp_relay/${root}/${what}.${proof}A/token`)],
  ["a third part", at(`/${keyed}/mcp_relay/${root}/${target}.x/token`)],
  [
    "one letter of the proof changed",
    at(`/${keyed}/mcp_relay/${root}/${what}.${proof[0] === "A" ? "B" : "A"}${proof.slice(1)}/token`),
  ],
  ["the proof in other letters of the same value", at(`/${keyed}/mcp_relay/${root}/${what}.${proof}=/token`)],
  ["the target in other letters of the same value", at(`/${keyed}/mcp_relay/${root}/${what}=.${proof}/token`)],
  ["another path", at(`/${keyed}/mcp_relay/${root}/${target}/admin`)],
  ["no path", at(`/${keyed}/mcp_relay/${root}/${target}`)],
  ["a path below", at(`/${keyed}/mcp_relay/${root}/${target}/token/x`)],
  ["a path in other letters", at(`/${keyed}/mcp_relay/${root}/${target}/%74oken`)],
  ["a query that was not there", `${token}?to=elsewhere`],
  [
    "the role changed: a token endpoint as one for registration",
    at(`/${keyed}/mcp_relay/${root}/${encode(decode(what).replace(/^t/, "c"))}.${proof}/token`),
  ],
  ["an endpoint of one role in the place of another", at(`/${keyed}/mcp_relay/${root}/${revocation}/token`)],
  ["the issuer's part for an endpoint", at(`/${keyed}/mcp_relay/${root}/${issuerPart}/token`)],
  ["the MCP server of another authorization", at(`/${keyed}/mcp_relay/${otherRoot}/${target}/token`)],
  ["the target of another authorization", at(`/${keyed}/mcp_relay/${root}/${otherTarget}/token`)],
  ["root and target exchanged", at(`/${keyed}/mcp_relay/${target}/${root}/token`)],
  ["an empty root", at(`/${keyed}/mcp_relay/AA/${target}/token`)],
  [
    "a well-known document of an endpoint",
    at(`/.well-known/oauth-authorization-server/${keyed}/mcp_relay/${root}/${target}/token`),
  ],
  [
    "a well-known document of another path of the issuer",
    at(`/.well-known/oauth-authorization-server/${keyed}/mcp_relay/${root}/${issuerPart}/tenant`),
  ],
  ["another key", token.replace(relay.key, `${relay.key.slice(0, -2)}AA`)],
  ["the gateway's key", token.replace(relay.key, relay.started.key)],
  ["no key", token.replace(`/~${relay.key}`, "")],
  ["an empty key", token.replace(relay.key, "")],
  ["an entry with another key", relay.entry(first.url).replace(relay.key, "x".repeat(43))],
  ["an entry without a key", relay.entry(first.url).replace(`/~${relay.key}`, "")],
];

for (const [name, address] of forged) {
  test(`${name}: 403, and nothing is sent`, async () => {
    const before = [first, second].map(({ record, serverRecord }) => record.length + serverRecord.length);
    for (const method of ["POST", "GET"]) {
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const answer = await fetch(address, {
        method,
        headers,
        redirect: "manual",
        ...(method === "POST" ? { body: "a=b" } : {}),
      });
      expect([name, answer.status]).toEqual([name, 403]);
      expect(((await answer.json()) as { error: { code: string } }).error.code).toBe("MCP_AUTH_ERROR");
    }
    expect([first, second].map(({ record, serverRecord }) => record.length + serverRecord.length)).toEqual(before);
  });
}

test("the addresses themselves work, and the relay's key opens nothing else of the gateway", async () => {
  expect((await fetch(token, { method: "POST", body: new URLSearchParams({ grant_type: "x" }) })).status).toBe(200);
  expect(
    (await fetch(register, { method: "POST", body: "{}", headers: { "content-type": "application/json" } })).status,
  ).toBe(201);
  for (const headers of [{ "x-api-key": relay.key }, { authorization: `Bearer ${relay.key}` }] as Record<
    string,
    string
  >[]) {
    expect((await fetch(`${relay.started.url}/v1/models`, { headers })).status).toBe(401);
  }
});

test("with the gateway's key in a header, the entry needs no other", async () => {
  const entry = relay.entry(first.url).replace(`/~${relay.key}`, "");
  const answer = await fetch(entry, { method: "POST", body: "{}", headers: { "x-api-key": relay.started.key } });
  expect(answer.status).toBe(401);
  const bearer = { authorization: `Bearer ${relay.started.key}` };
  expect((await fetch(entry, { method: "POST", body: "{}", headers: bearer })).status).toBe(403);
});

test("a web page is refused whatever it knows", async () => {
  for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }] as Record<
    string,
    string
  >[]) {
    expect((await fetch(relay.entry(first.url), { method: "POST", body: "{}", headers })).status).toBe(403);
    expect((await fetch(`${relay.started.url}/mcp_callback?state=x`, { headers })).status).toBe(403);
  }
});

test("addresses that a client kept survive a restart on the same port", async () => {
  await using kept = await startRelay(["127.0.0.1"], { args: ["--port", String(await freePort())] });
  const before = kept.started.relay;
  const port = new URL(kept.started.url).port;
  expect((await kept.person.run(["proxy", "stop"])).code).toBe(0);
  const { out } = await kept.person.run(["proxy", "start", "--detach", "--json", "--port", port]);
  expect(JSON.parse(out).relay).toBe(before);
});

async function freePort(): Promise<number> {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port } = server;
  await server.stop(true);
  return Number(port);
}
