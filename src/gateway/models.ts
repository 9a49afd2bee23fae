import type { Model } from "../api/schemas.ts";
import type { HeaderRecord } from "../http1/message.ts";
import type { Dialect } from "./paths.ts";

/** What `GET …/models` asks for: whose list, and one model of it or all. */
export interface ModelsQuestion {
  readonly dialect: Dialect;
  readonly id: string | undefined;
}

/**
 * Whose format a client expects cannot be seen from `/v1/models` alone: Anthropic's clients always send their version.
 *
 * @param path of a question for models
 * @returns whose format to answer in
 */
export function modelsDialect(path: string, headers: HeaderRecord): Dialect {
  if (path.startsWith("/v1beta/")) return "gemini";
  return headers["anthropic-version"] === undefined ? "openai" : "anthropic";
}

/** A model in each API's own shape; dates the host does not tell are the epoch's. */
const shapes: Record<Dialect, (model: Model) => Record<string, unknown>> = {
  anthropic: ({ id, label }) => ({ type: "model", id, display_name: label, created_at: "1970-01-01T00:00:00Z" }),
  openai: ({ id, provider }) => ({ id, object: "model", created: 0, owned_by: provider ?? "codemie" }),
  gemini: ({ id, label }) => ({
    name: `models/${id}`,
    baseModelId: id,
    displayName: label,
    supportedGenerationMethods: ["generateContent", "streamGenerateContent", "countTokens"],
  }),
};

/**
 * @param question whose format, and which model
 * @param models the models this account may use
 * @returns the document, or undefined when there is no such model
 */
export function modelsAnswer({ dialect, id }: ModelsQuestion, models: readonly Model[]): unknown {
  const shape = shapes[dialect];
  if (id !== undefined) {
    const one = models.find((model) => model.id === id);
    return one && shape(one);
  }
  const data = models.map(shape);
  switch (dialect) {
    case "anthropic":
      return { data, has_more: false, first_id: models[0]?.id ?? null, last_id: models.at(-1)?.id ?? null };
    case "openai":
      return { object: "list", data };
    case "gemini":
      return { models: data };
  }
}
