import type { ServerResponse } from "node:http";
import { cookiesOf, type Session } from "./front.ts";
import { redirect, type Seen, send, sendJson } from "./http.ts";
import { answerModelCall, isModelCall } from "./model-api.ts";

/** The form of the hand-off's payload, ugly ones included (CodeMie fact 2.1). */
export type HandoffForm =
  | "keycloak"
  | "local"
  | "empty"
  | "base64url"
  | "unpadded"
  | ((cookies: Record<string, string>) => string);

/** Answers a model call in place of the usual answer. */
export type ModelAnswer = (seen: Seen, response: ServerResponse) => Promise<void> | void;

export interface BackendSettings {
  handoff: HandoffForm;
  /** replaces the usual answer of model calls */
  answer: ModelAnswer | undefined;
  /** status and body that `/v1/user` answers with instead */
  userFailure: { status: number; body: string; type: string } | undefined;
  /** `/v1/user` answers after this */
  userWaits: Promise<void> | undefined;
  /** what `/v1/llm_models` answers instead */
  list: { status: number; body: string } | undefined;
  admin: boolean;
  /** how far the host's clock is from this machine's, ms */
  clockOffMs: number;
  /** projects the person is on */
  applications: string[];
  /** LiteLLM integrations of the person, by project */
  integrations: { id: string; alias: string; project: string }[];
  /** false: as some hosts do, every page of the settings is the first */
  countsPages: boolean;
  /** answers metrics in place of the usual answer */
  metrics: ModelAnswer | undefined;
}

/** A CodeMie host as it usually is. */
export const usualBackend: BackendSettings = {
  handoff: "keycloak",
  answer: undefined,
  userFailure: undefined,
  userWaits: undefined,
  list: undefined,
  admin: false,
  clockOffMs: 0,
  applications: ["team-alpha"],
  integrations: [],
  countsPages: true,
  metrics: undefined,
};

const api = "/code-assistant-api";
const minimalVersion = [0, 0, 47];

const unauthenticated = {
  error: {
    message: "Authentication failed",
    details: "No valid authentication credentials were provided with this request.",
    help: "Please log in.",
  },
};

/** Plays the host's backend: user, models, the model API, its error shapes. */
export async function answerApi(
  seen: Seen,
  response: ServerResponse,
  session: Session | undefined,
  settings: BackendSettings,
  setCookies: string[],
): Promise<void> {
  const path = seen.path.slice(api.length) || "/";
  for (const cookie of setCookies) response.appendHeader("set-cookie", cookie);

  const login = /^\/v1\/auth\/login\/([^/]*)$/.exec(path);
  if (login) return handOff(login[1] ?? "", seen, response, settings);
  if (path === "/v1/info") return sendJson(response, 200, { message: "Codemie", version: "0.16.0" });
  if (path === "/config.js") return sendJson(response, 404, { detail: "Not Found" });
  // When the token inside the session has run out the front still lets the request through and the backend refuses it.
  if (!session || session.innerExpiresAt <= Date.now()) return sendJson(response, 401, unauthenticated);

  switch (`${seen.method} ${path}`) {
    case "GET /v1/user":
    case "GET /v1/profile":
      await settings.userWaits;
      if (settings.userFailure) {
        const { status, body, type } = settings.userFailure;
        return send(response, status, body, { "content-type": type });
      }
      return sendJson(response, 200, userOf(session, settings));
    case "GET /v1/settings/user":
      return sendJson(response, 200, settingsOf(seen, settings));
    case "GET /v1/llm_models":
      if (settings.list)
        return send(response, settings.list.status, settings.list.body, { "content-type": "application/json" });
      return sendJson(response, 200, models);
    case "GET /v1/admin/applications":
      if (!settings.admin) {
        return sendJson(response, 403, { error: { message: "Access denied", details: null, help: null } });
      }
      return sendJson(response, 200, {
        applications: [...settings.applications, "admin-only"].map((name) => ({ name, displayName: null })),
      });
    case "POST /v1/metrics":
      if (settings.metrics) return await settings.metrics(seen, response);
      return answerMetric(seen, response);
    case "GET /v1/models":
      return sendJson(response, 200, { data: models.map((model) => ({ id: model.deployment_name })) });
  }
  if (isModelCall(path) && seen.method === "POST") {
    const refused = versionRefusal(seen.headers["x-codemie-cli"]);
    if (refused) return sendJson(response, 426, { detail: refused });
    if (settings.answer) return await settings.answer(seen, response);
    return answerModelCall(path, seen, response);
  }
  sendJson(response, 404, { detail: "Not Found" });
}

/** CodeMie fact 6.1: a name and attributes; without the client's header the name would be another. */
function answerMetric(seen: Seen, response: ServerResponse): void {
  const { name, attributes } = JSON.parse(seen.body) as { name?: unknown; attributes?: unknown };
  const isRight = typeof name === "string" && typeof attributes === "object" && seen.headers["x-codemie-client"];
  if (isRight) sendJson(response, 200, { success: true, message: `Metric '${name}' sent successfully` });
  else sendJson(response, 422, { error: { message: "name: Field required", details: [] } });
}

function handOff(port: string, seen: Seen, response: ServerResponse, { handoff }: BackendSettings): void {
  const number = Number(port);
  if (!/^\d+$/.test(port) || number < 1 || number > 65_535) {
    sendJson(response, 422, { error: { message: "port: Input should be a valid integer", details: [] } });
    return;
  }
  const cookies: Record<string, string> = {};
  for (const [name, value] of cookiesOf(seen)) if (name.startsWith("_oauth2_proxy")) cookies[name] = value;
  const payload = (value: unknown) => Buffer.from(JSON.stringify(value));
  const full = payload({ provider: "keycloak", cookies });
  const tokens = {
    keycloak: () => full.toString("base64"),
    local: () => payload({ provider: "local" }).toString("base64"),
    empty: () => payload({ provider: "keycloak", cookies: {} }).toString("base64"),
    base64url: () => full.toString("base64url"),
    unpadded: () => full.toString("base64").replace(/=+$/, ""),
  };
  const token = typeof handoff === "function" ? handoff(cookies) : tokens[handoff]();
  redirect(response, `http://localhost:${port}/auth?token=${token}`);
}

/** PEP 440 as far as releases go; others are refused as invalid (CodeMie fact 5.2). */
function versionRefusal(header: string | string[] | undefined): string | undefined {
  if (!header) return undefined;
  const text = String(header).split("/").pop() ?? "";
  const parts = /^v?(\d+)\.(\d+)\.(\d+)$/.exec(text)?.slice(1).map(Number);
  const order = parts?.map((part, i) => part - (minimalVersion[i] ?? 0)).find((difference) => difference !== 0) ?? 0;
  return parts && order >= 0 ? undefined : `Unsupported CodeMie CLI version ${text}`;
}

/** CodeMie fact 3.3: pages count from 0; secrets are masked; other kinds of settings stand between. */
function settingsOf({ query }: Seen, { integrations, countsPages }: BackendSettings) {
  const perPage = Number(query.get("per_page") ?? 10);
  const page = countsPages ? Number(query.get("page") ?? 0) : 0;
  const filters = JSON.parse(query.get("filters") ?? "{}") as { type?: string[] };
  const all = [
    { id: "jira-1", alias: "jira", project_name: "team-alpha", credential_type: "Jira" },
    ...integrations.map(({ id, alias, project }) => ({ id, alias, project_name: project, credential_type: "LiteLLM" })),
  ].filter(({ credential_type }) => !filters.type || filters.type.includes(credential_type));
  return {
    data: all.slice(page * perPage, (page + 1) * perPage).map((one) => ({
      ...one,
      credential_values: [{ key: "api_key", value: "**********" }],
    })),
    pagination: { page, per_page: perPage, total: all.length, pages: Math.ceil(all.length / perPage) },
  };
}

function userOf({ claims }: Session, { admin, applications }: BackendSettings) {
  return {
    user_id: Bun.randomUUIDv5(claims.sub, "dns"),
    name: claims.name,
    username: claims.email,
    email: claims.email,
    projects: applications.slice(0, 1).map((name) => ({ name, display_name: null, is_project_admin: false })),
    project_limit: 3,
    picture: "",
    knowledge_bases: [],
    user_type: "regular",
    applications: applications.slice(0, 2),
    applications_admin: applications.slice(2),
    is_admin: admin,
    is_maintainer: false,
  };
}

const model = (name: string, label: string, standard: boolean, input: number, output: number) => ({
  base_name: name,
  deployment_name: name,
  label,
  multimodal: true,
  react_agent: false,
  enabled: true,
  supports_image_generation: false,
  provider: name.startsWith("claude") ? "anthropic" : "azure_openai",
  default: standard,
  default_for_categories: standard ? ["global"] : [],
  cost: { input, output },
  features: { streaming: true, tools: true },
  forbidden_for_web: false,
});

const models = [
  model("claude-sonnet-4-6", "Claude Sonnet 4.6", true, 3.3e-6, 1.65e-5),
  model("claude-haiku-4-5", "Claude Haiku 4.5", false, 1.1e-6, 5.5e-6),
  model("gpt-5.2", "GPT 5.2", false, 1.9e-6, 1.5e-5),
];
