import { expect, test } from "bun:test";
import { sendRaw } from "../support/raw.ts";
import { sharedGateway } from "../support/shared.ts";

/** Threat: a credential travels in a header nobody thought of: the session's to the agent, or the agent's to the host. */

const gatewayPaths = ["* /v1/responses/*", "TRACE /v1/files", "* /auth/login/*", "* /v1/auth/login/*"];
const { sandbox, gateway } = await sharedGateway((person) =>
  person.editConfig((config) => {
    config.profiles.default.gatewayPaths = gatewayPaths;
  }),
);
const { url, key, host } = gateway;

test("what the front says of the session in its answers does not reach the agent", async () => {
  // what oauth2-proxy adds with set-authorization-header, set-xauthrequest and pass-access-token
  const told = {
    authorization: "Bearer SECRET-ID",
    "x-auth-request-access-token": "SECRET-ACCESS",
    "x-auth-request-email": "SECRET-ada@example.com",
    "gap-auth": "SECRET-ada",
    "content-location": "/v1/auth?token=SECRET",
    "authentication-info": "SECRET",
  };
  sandbox.settings.answer = (_seen, response) =>
    void response.writeHead(200, { ...told, "x-harmless": "seen" }).end("{}");
  const { headers } = await gateway.post();
  expect(headers.get("x-harmless")).toBe("seen");
  expect(JSON.stringify([...headers])).not.toContain("SECRET");
});

test("what an agent presents elsewhere, and claims of who asks for what, does not reach the host", async () => {
  sandbox.settings.answer = (_seen, response) => void response.writeHead(200).end("{}");
  const claims = [
    "api-key",
    "x-litellm-api-key",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-redirect",
    "x-original-uri",
    "x-method-override",
    "x-http-method",
    "x-client-ip",
    "true-client-ip",
    "x-goog-iap-jwt-assertion",
    "x-amzn-oidc-data",
  ];
  const headers = { ...Object.fromEntries(claims.map((name) => [name, "CLAIM"])), "x-harmless": "seen" };
  await gateway.post({ headers });
  const sent = sandbox.calls("/v1/messages").at(-1)?.headers ?? {};
  expect(sent["x-harmless"]).toBe("seen");
  expect(Object.keys(sent).filter((name) => claims.includes(name))).toEqual([]);
});

test("a method that echoes the request is no method of a profile's paths, nor are the login routes, with or without /v1", async () => {
  for (const line of [
    "TRACE /v1/responses/a",
    "TRACK /v1/responses/a",
    "TRACE /v1/files",
    "GET /auth/login/1",
    "GET /v1/auth/login/1",
  ]) {
    const { statuses } = await sendRaw(url, `${line} HTTP/1.1\r\nHost: ${host}\r\nx-api-key: ${key}\r\n\r\n`);
    for (const status of statuses) expect({ line, refused: status >= 400 }).toEqual({ line, refused: true });
  }
  expect(sandbox.record).toEqual([]);
});
