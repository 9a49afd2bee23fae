import { createFetch, FetchError, type FetchResponse } from "ofetch";
import { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { parseJson, type Schema } from "../core/json.ts";
import { isPlainName } from "../core/text.ts";
import { textUpTo } from "../platform/body.ts";
import { type Fetch, networkFailure } from "../platform/network.ts";
import { apiFailure } from "./failures.ts";
import { errorSentence, judge } from "./judge.ts";
import {
  applications,
  type Integration,
  longestAnswer,
  type Model,
  metricAnswer,
  models,
  settingsPage,
  type User,
  usable,
  user,
} from "./schemas.ts";

/** How long one call to the REST API may take, ms. */
const callTimeoutMs = 30_000;
/** How many pages of settings we read at most, and how many entries one page has. */
const settingsPages = 20;
const settingsPerPage = 50;
/** How long signing out at oauth2-proxy may take, ms: a logout does not depend on it. */
const signOutTimeoutMs = 5_000;

export interface ApiOptions {
  readonly host: Host;
  /** puts the credential on a request */
  readonly authorize: (headers: Headers) => void;
  /** called with the `Set-Cookie` headers of every answer, before the answer is used */
  readonly received?: (setCookies: string[]) => Promise<void>;
  readonly fetch: Fetch;
  /** our version, `MAJOR.MINOR.PATCH` */
  readonly version: string;
}

/**
 * The part of the CodeMie REST API that we use. `authorize` puts the credential on its requests, which go to one host
 * only.
 */
export class Api {
  readonly #options: ApiOptions;
  readonly #call: ReturnType<typeof createFetch>;

  constructor(options: ApiOptions) {
    this.#options = options;
    const viaOurs = (input: unknown, init?: RequestInit) => options.fetch(String(input), init);
    this.#call = createFetch({ fetch: viaOurs as typeof fetch });
  }

  /**
   * @returns the person that the credential belongs to (CodeMie fact 3.1)
   * @throws `auth_expired`, `auth_refused`, `wrong_base_url`, `server_error`, `unreachable`, `tls`
   */
  async user(): Promise<User> {
    return await this.#get("/v1/user", user);
  }

  /**
   * @returns the enabled models that this account may use, in the host's order (CodeMie fact 3.4), as far as {@link usable}
   * @throws as {@link user}
   */
  async models(): Promise<Model[]> {
    const all = await this.#get("/v1/llm_models?include_all=true", models);
    const enabled = all.filter((model) => model.enabled);
    return usable(
      enabled.map((model) => {
        const id = model.deployment_name || model.base_name;
        return {
          id,
          label: model.label ?? id,
          provider: model.provider ?? null,
          default: model.default,
          cost: model.cost ? { input: model.cost.input, output: model.cost.output } : null,
        };
      }),
    );
  }

  /**
   * Finds the projects that the person may work in: the union of all the host's lists (CodeMie facts 3.1, 3.2). A
   * person who administers the host may use every project, but may be on none of the lists.
   *
   * @returns names that can be passed on, sorted regardless of case
   * @throws as {@link user}
   */
  async projects(): Promise<string[]> {
    const me = await this.user();
    const names = new Set([...me.projects.map(({ name }) => name), ...me.applications, ...me.applications_admin]);
    if (me.is_admin || me.is_maintainer) {
      const all = await this.#get("/v1/admin/applications?limit=1000", applications).catch((error: unknown) => {
        if (error instanceof CodemieError && error.exitCode === 1) return { applications: [] };
        throw error;
      });
      for (const one of all.applications) names.add(typeof one === "string" ? one : one.name);
    }
    const { compare } = new Intl.Collator("en", { sensitivity: "base", numeric: true });
    return [...names].filter(isPlainName).sort(compare);
  }

  /**
   * Finds the person's LiteLLM integrations in a project (CodeMie fact 3.3). Some hosts ignore the page number and send
   * the same entries again, so a page without a new entry is the last.
   *
   * @throws as {@link user}
   */
  async integrations(project: string): Promise<Integration[]> {
    const found = new Map<string, Integration>();
    const seen = new Set<string>();
    const filters = encodeURIComponent(JSON.stringify({ type: ["LiteLLM"] }));
    for (let page = 0; page < settingsPages; page++) {
      const query = `page=${page}&per_page=${settingsPerPage}&filters=${filters}`;
      const { data } = await this.#get(`/v1/settings/user?${query}`, settingsPage);
      const fresh = data.flatMap((one) => (one && !seen.has(one.id) ? [one] : []));
      for (const { id, alias, project_name, credential_type } of fresh) {
        seen.add(id);
        const name = alias?.trim();
        const isPlain = isPlainName(id) && isPlainName(name ?? "");
        if (name && isPlain && project_name === project && credential_type === "LiteLLM")
          found.set(id, { id, alias: name });
      }
      if (fresh.length === 0 || data.length < settingsPerPage) break;
    }
    return [...found.values()];
  }

  /**
   * Asks oauth2-proxy to end the session (CodeMie fact 2.7).
   *
   * @returns false when that failed; the session then expires by itself
   */
  async signOut(): Promise<boolean> {
    try {
      const answer = await this.#request(`${this.#options.host.origin}/oauth2/sign_out`, signOutTimeoutMs);
      return answer.status < 400;
    } catch {
      return false;
    }
  }

  /**
   * Sends a usage metric (CodeMie fact 6.1).
   *
   * @param body the metric, JSON
   * @param headers `X-CodeMie-*` of the program that it is about
   * @returns `taken`; `never` with the status of a host that will not take this one; `soon` or `later`: when to try again
   * @throws `auth_expired` when the host does not accept the credential, `unreachable`, `tls`
   */
  async sendMetric(
    body: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<"taken" | "soon" | "later" | { readonly never: number }> {
    const { host } = this.#options;
    const answer = await this.#request(`${host.api}/v1/metrics`, callTimeoutMs, { body, headers });
    const { status } = answer;
    switch (judge(answer, true)) {
      case "unauthenticated":
        throw apiFailure.sessionEnded(host.origin);
      case "failed":
        if (status === 400 || status === 413 || status === 422) return { never: status };
        return status === 429 || status >= 500 ? "soon" : "later";
      case "ok": {
        const parsed = parseJson(answer.body, metricAnswer);
        return parsed === undefined ? "later" : parsed.success ? "taken" : "soon";
      }
      default:
        return "later";
    }
  }

  async #get<T>(path: string, schema: Schema<T>): Promise<T> {
    const { host } = this.#options;
    const answer = await this.#request(host.api + path, callTimeoutMs);
    const { body } = answer;
    switch (judge(answer, true)) {
      case "unauthenticated":
        throw apiFailure.sessionEnded(host.origin);
      case "forbidden":
        throw apiFailure.forbidden(host.origin, errorSentence(body, answer.sent));
      case "wrong-base-url":
        throw apiFailure.wrongBaseUrl(
          host.origin,
          answer.status === 405 ? "it refuses the method (405)" : "it sent a web page where data was expected",
        );
      case "failed":
        if (answer.status === 404) throw apiFailure.wrongBaseUrl(host.origin, `it has no ${path.split("?")[0]} (404)`);
        throw apiFailure.server(host.origin, answer.status, errorSentence(body, answer.sent));
      case "ok": {
        const parsed = parseJson(body, schema);
        if (parsed === undefined)
          throw apiFailure.wrongBaseUrl(host.origin, `it sent unexpected data from ${path.split("?")[0]}`);
        return parsed;
      }
    }
  }

  /** @param posted sends this JSON, with these headers in place of the usual ones; undefined: reads */
  async #request(
    url: string,
    timeoutMs: number,
    posted?: { readonly body: string; readonly headers: Readonly<Record<string, string>> },
  ) {
    const { host, authorize, received, version } = this.#options;
    const headers = new Headers({
      accept: "application/json",
      "user-agent": `codemie-cli/${version}`,
      "x-codemie-cli": `codemie-cli/${version}`,
      "x-codemie-client": "codemie-cli",
      ...(posted && { "content-type": "application/json", ...posted.headers }),
    });
    authorize(headers);
    let answer: FetchResponse<ReadableStream>;
    let body: string;
    try {
      answer = await this.#call.raw<ReadableStream, "stream">(url, {
        headers,
        ...(posted && { method: "POST", body: posted.body }),
        signal: AbortSignal.timeout(timeoutMs),
        ignoreResponseError: true,
        retry: 0,
        responseType: "stream",
      });
      body = await textUpTo(answer, longestAnswer, () => apiFailure.tooLong(host.origin, longestAnswer));
    } catch (error) {
      throw networkFailure(host.origin, error instanceof FetchError ? error.cause : error);
    }
    await received?.(answer.headers.getSetCookie());
    return { status: answer.status, headers: answer.headers, body, sent: headers };
  }
}
