/** What the frozen files hold. A new kind of record gets new files beside these; what is here never changes. */

export const goldenPassphrase = "golden passphrase, é included";
export const goldenExportPassphrase = "golden passphrase of an export";

const identity = { id: "5f0c2a6e-golden", name: "Ada L", email: "ada@example.com" };
const origin = "https://codemie.example.com";

export const goldenRecords = {
  "login default": {
    method: "sso",
    origin,
    identity,
    loggedInAt: 1_764_000_000_000,
    confirmedAt: 1_764_000_060_000,
    cookies: { _oauth2_proxy_0: "first-part-of-a-session", _oauth2_proxy_1: "second-part" },
  },
  "login work": {
    method: "oidc",
    origin: "https://work.example.com",
    identity,
    loggedInAt: 1_764_000_000_000,
    confirmedAt: 1_764_000_060_000,
    issuer: "https://sso.example.com",
    clientId: "codemie",
    scope: "openid offline_access",
    accessToken: "golden-access-token",
    refreshToken: "golden-refresh-token",
    expiresAt: 1_764_003_600_000,
  },
  "audit head": {
    key: "Z29sZGVuIGtleSBvZiB0aGUgYXVkaXQgdHJhaWwsIDMyIQ",
    seq: 42,
    mac: "Z29sZGVuIG1hYyBvZiB0aGUgYXVkaXQgdHJhaWwsIDMyIQ",
  },
} as const;

/** Kinds of record that came later, in `keys-and-tokens/`. */
export const goldenKeysAndTokens = {
  "login ci": {
    method: "jwt",
    origin,
    identity,
    loggedInAt: 1_764_000_000_000,
    confirmedAt: 1_764_000_060_000,
    // header {"alg":"RS256"}, claims {"sub":"ci","exp":4102444800}; the signature is none
    token: "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSIsImV4cCI6NDEwMjQ0NDgwMH0.Z29sZGVu",
  },
  "login keys": {
    method: "api-key",
    origin: "https://litellm.example.com",
    loggedInAt: 1_764_000_000_000,
    provider: "litellm",
    key: "sk-golden",
  },
} as const;

/** A login that remembers the trail of two lines beside it, in `remembering/`. */
export const goldenRemembering = {
  "login ci": goldenKeysAndTokens["login ci"],
  mark: "end-000000000002-b0be2de67b85ab6e13084f9e6bd9734842f485752069ae728a0a6c2643b7e983",
} as const;

export const goldenProfiles = {
  default: { name: "default", provider: "ai-run-sso", codeMieUrl: origin, baseUrl: `${origin}/code-assistant-api` },
  work: { name: "work", codeMieUrl: "https://work.example.com", model: "claude-sonnet-4-6" },
} as const;
