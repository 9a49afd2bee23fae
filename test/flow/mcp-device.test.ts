import { expect, onTestFinished, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { AuthorizedBridge, type Settings, startProtected } from "../support/mcp/protected.ts";
import { sendJson } from "../support/sandbox/http.ts";
import { cases } from "../support/tiers.ts";

/** The bridge logs in with a device code, on a machine without a browser. */

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

/** @param polls what the token endpoint says to each poll; then it grants */
async function start(polls: readonly object[], device: object = {}) {
  const asked: URLSearchParams[] = [];
  const server = await startProtected({
    answer: (seen, response) => {
      const form = new URLSearchParams(seen.body);
      if (seen.path === "/device") {
        const code = { device_code: "d-secret", user_code: "WDJB-MJHT", verification_uri: `${server.issuer}/enter` };
        return sendJson(response, "error" in device ? 400 : 200, { ...code, expires_in: 600, interval: 1, ...device });
      }
      if (seen.path !== "/token" || form.get("grant_type") !== deviceGrant) return;
      const said = polls[asked.push(form) - 1];
      if (said) return sendJson(response, 400, said);
      server.live.set("device-token", "");
      sendJson(response, 200, { access_token: "device-token", token_type: "Bearer", expires_in: 3600 });
    },
  } satisfies Partial<Settings>);
  server.settings.server = { device_authorization_endpoint: `${server.issuer}/device` };
  onTestFinished(() => server.close());
  return { server, asked };
}

function bridgeTo(url: string, flags: string[] = [], person = new Person()) {
  const bridge = new AuthorizedBridge(url, ["--device-code", ...flags], {}, person);
  onTestFinished(async () => {
    await bridge.end();
    person.remove();
  });
  return bridge;
}

test("the code and its page are shown and logged, the server is asked at its pace, and the token works", async () => {
  const { server, asked } = await start([{ error: "authorization_pending" }]);
  const bridge = bridgeTo(server.url);
  expect((await bridge.initialize()).result).toBeDefined();
  expect(bridge.err).toContain("WDJB-MJHT");
  expect(bridge.err).toContain(`${server.issuer}/enter`);
  expect(readFileSync(join(bridge.person.codemieHome, "logs/mcp-proxy.log"), "utf8")).toContain(
    "the code WDJB-MJHT at",
  );
  const [registration] = server.calls("/register").map(({ body }) => JSON.parse(body));
  expect(registration).toMatchObject({ redirect_uris: [], grant_types: [deviceGrant, "refresh_token"] });
  expect(asked.map((form) => [form.get("device_code"), form.get("resource"), form.get("client_id")])).toEqual([
    ["d-secret", server.url, "registered"],
    ["d-secret", server.url, "registered"],
  ]);
  expect(server.calls("/authorize")).toEqual([]);
});

test("--persist keeps the login and the registration: another bridge asks nobody", async () => {
  const { server, asked } = await start([]);
  const person = new Person();
  const first = new AuthorizedBridge(server.url, ["--device-code", "--persist"], {}, person);
  expect((await first.initialize()).result).toBeDefined();
  await first.end();
  const second = bridgeTo(server.url, ["--persist"], person);
  expect((await second.initialize()).result).toBeDefined();
  expect([asked.length, server.calls("/register").length]).toEqual([1, 1]);
});

for (const [what, polls, device, says] of cases([
  ["a server that refuses device codes by policy", [], { error: "unauthorized_client" }, "leave out --device-code"],
  ["a person who declines", [{ error: "access_denied" }], {}, "refused the login by device code: access_denied"],
  ["a code that ends", [{ error: "expired_token" }], {}, "ended before anybody entered it"],
] as const)) {
  test(`${what}: said in the answer`, async () => {
    const { server } = await start(polls, device);
    const { error } = await bridgeTo(server.url).initialize();
    expect(error.message).toContain(says);
    expect(JSON.stringify(error)).not.toContain("d-secret");
  });
}

test("a page on another host than the issuer's: nothing is shown, nobody enters a code there, unless --issuer names it", async () => {
  const elsewhere = { verification_uri: "http://localhost:9/enter" };
  const { server, asked } = await start([], elsewhere);
  const bridge = bridgeTo(server.url);
  const { error } = await bridge.initialize();
  expect(error.message).toContain("--issuer");
  expect([bridge.err.includes("WDJB"), asked.length]).toEqual([false, 0]);
  const named = bridgeTo(server.url, ["--issuer", server.issuer]);
  expect((await named.initialize()).result).toBeDefined();
});

test("a server without device codes, and a person who does not come: said, and --auth-timeout holds", async () => {
  const none = await startProtected();
  onTestFinished(() => none.close());
  expect((await bridgeTo(none.url).initialize()).error.message).toContain(
    "does not support logging in with a device code",
  );
  const { server } = await start(Array.from({ length: 100 }, () => ({ error: "authorization_pending" })));
  const { error } = await bridgeTo(server.url, ["--auth-timeout", "2"]).initialize();
  expect(error.message).toContain("nobody finished the authorization");
});
