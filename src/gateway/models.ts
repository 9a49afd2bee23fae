import type { Model } from "../api/schemas.ts";
import type { HeaderRecord } from "../http1/message.ts";
import type { Dialect } from "./paths.ts";

/** A request for models: in which API's form, and for one model or all. */
export interface ModelsQuestion {
  readonly dialect: Dialect;
  readonly id: string | undefined;
}

/**
 * The path `/v1/models` belongs to two APIs; Anthropic's clients always send their version.
 *
 * @param path the path of a request for models
 * @returns the API whose form the client expects
 */
export function modelsDialect(path: string, headers: HeaderRecord): Dialect {
  if (path.startsWith("/v1beta/")) return "gemini";
  return headers["anthropic-version"] === undefined ? "openai" : "anthropic";
}

/** A model in each API's form. The host gives no dates, so they are the epoch's. */
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
 * @param question the API's form, and which model
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
