import type { Model } from "../api/schemas.ts";
import type { Dialect } from "./paths.ts";

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
 * @param dialect the API in whose form
 * @param names the spellings of the model that is asked for; none for all models
 * @param models the models this account may use
 * @returns the document, or undefined when there is no such model
 */
export function modelsAnswer(dialect: Dialect, names: readonly string[], models: readonly Model[]): unknown {
  const shape = shapes[dialect];
  if (names.length > 0) {
    const one = models.find((model) => names.includes(model.id));
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
