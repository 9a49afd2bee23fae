import { expect, test } from "bun:test";
import { sendRaw } from "../support/raw.ts";
import { sharedGateway } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: a credential travels in a header nobody thought of: the session's to the agent, or the agent's to the host. */

const gatewayPaths = ["* /v1/responses/*", "TRACE /v1/files", "* /auth/login/*", "* /v1/auth/login/*"];
const { sandbox, gateway } = await sharedGateway((person) =>
  person.editConfig((config) => {
    config.profiles.default.gatewayPaths = gatewayPaths;
  }),
);
const { url, key, host } = gateway;

/** A name, and others that a host built on CGI's rules takes for it. */
const spellings = (name: string) => [name, name.replaceAll("-", "_"), name.replaceAll("-", "."), name.toUpperCase()];

/** Sends a model call with headers. @returns the names of those that reached the host, in lower case */
async function sent(names: readonly string[]): Promise<string[]> {
  sandbox.settings.answer = (_seen, response) => void response.writeHead(200).end("{}");
  await gateway.post({ headers: Object.fromEntries(names.map((name) => [name, "1"])) });
  const seen = Object.keys(sandbox.calls("/v1/messages").at(-1)?.headers ?? {});
  return names.map((name) => name.toLowerCase()).filter((name) => seen.includes(name));
}

/** Answers a model call with headers. @returns the names of those that reached the agent, in lower case */
async function told(names: readonly string[]): Promise<string[]> {
  const headers = Object.fromEntries(names.map((name) => [name, "SECRET"]));
  sandbox.settings.answer = (_seen, response) => void response.writeHead(200, headers).end("{}");
  const seen = [...(await gateway.post()).headers.keys()];
  return names.map((name) => name.toLowerCase()).filter((name) => seen.includes(name));
}

for (const [who, names] of cases([
  // what oauth2-proxy adds with set-authorization-header, set-xauthrequest and pass-access-token
  ["oauth2-proxy", "authorization x-auth-request-access-token x-auth-request-email gap-auth x-forwarded-access-token"],
  ["the login route", "location content-location refresh x-accel-redirect"],
  ["a cookie", "set-cookie set-cookie2 x-set-cookie cookie x-session-cookie"],
  ["a token", "x-access-token x-id-token x-token token x-amzn-oidc-accesstoken x-ms-token-aad-access-token x-jwt"],
  ["others", "authentication-info cf-access-jwt-assertion x-goog-iap-jwt-assertion x-auth x-session-id x-api-key"],
  ["rarer ones", "x-accesstokens access-tokens x-jws x-creds x-sid phpsessid x-ticket x-userinfo x-pat"],
] as const)) {
  test(`what ${who} says of the session in an answer does not reach the agent, however it is spelt`, async () => {
    expect(await told(names.split(" ").flatMap(spellings))).toEqual([]);
  });
}

for (const [what, names] of cases([
  ["keys for others", "api-key x-litellm-api-key ocp-apim-subscription-key x-token x-access-token x-set-cookie x-jwt"],
  ["rarer keys", "x-creds x-pat x-jws x-pwd x-pass x-paseto x-ntlm iv-creds"],
  ["a user", "user-id x-user x-user-id x-username x-email remote-user x-remote-user x-remote-groups x-webauth-user"],
  [
    "what a proxy knows of the user",
    "x-auth-request-user x-auth-user x-authenticated-userid x-forwarded-user x-forwarded-email cf-access-jwt-assertion cf-access-authenticated-user-email x-goog-iap-jwt-assertion x-goog-authenticated-user-email x-amzn-oidc-data x-ms-client-principal x-ms-client-principal-name x-ms-token-aad-id-token x-envoy-peer-metadata x-consumer-username x-authentik-groups x-pomerium-claim-email tailscale-user-login oidc-claim-sub shib-identity-provider x-saml-groups impersonate-user x-roles",
  ],
  [
    "users in rarer names",
    "iv-user sm-universalid mail persistent-id affiliation displayname x-client-cn x-common-name x-client-san x-spiffe-id from x-on-behalf-of x-run-as x-act-as x-nameid",
  ],
  [
    "a certificate",
    "ssl-client-cert ssl-client-s-dn x-ssl-client-verify x-client-cert x-client-dn client-cert x-arr-clientcert",
  ],
  [
    "an origin",
    "x-client-ip true-client-ip x-real-ip cf-connecting-ip x-cluster-client-ip x-forwarded-for forwarded via",
  ],
  [
    "a path",
    "x-script-name x-middleware-subrequest destination x-original-uri x-original-url x-rewrite-url x-envoy-original-path x-forwarded-prefix x-auth-request-redirect",
  ],
  ["a method", "x-method-override x-http-method x-http-method-override"],
  ["our own", "x-codemie-user x-codemie-project x-bind-key"],
] as const)) {
  test(`what an agent says of ${what} does not reach the host, however it is spelt`, async () => {
    expect(await sent(names.split(" ").flatMap(spellings))).toEqual([]);
  });
}

test("names that a host may take for those of the message itself do not reach it", async () => {
  const names = ["transfer_encoding", "content_length", "x_host", "proxy_authorization", "keep_alive"];
  expect(await sent(names)).toEqual([]);
});

test("what agents send, and what they read, passes", async () => {
  const asked =
    "user-agent anthropic-version anthropic-beta anthropic-dangerous-direct-browser-access x-app x-stainless-lang x-stainless-retry-count x-stainless-helper-method x-claude-code-session-id x-claude-remote-session-id x-client-request-id x-goog-api-client x-gemini-api-privileged-user-id openai-beta openai-organization openai-project originator session_id conversation_id version x-codex-turn-metadata x-opencode-session x-session-affinity http-referer x-title idempotency-key x-request-id traceparent tracestate baggage x-litellm-tags x-harmless accept-language";
  expect(await sent(asked.split(" "))).toEqual(asked.split(" "));
  const read =
    "request-id x-request-id anthropic-ratelimit-tokens-remaining anthropic-ratelimit-requests-reset anthropic-organization-id x-ratelimit-remaining-tokens x-ratelimit-limit-requests retry-after-ms x-should-retry openai-processing-ms openai-version openai-model x-litellm-model-id x-litellm-key-spend x-litellm-response-cost llm_provider-x-ratelimit-limit-tokens cf-ray www-authenticate etag cache-control server-timing x-harmless";
  expect(await told(read.split(" "))).toEqual(read.split(" "));
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
