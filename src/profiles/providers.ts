import * as z from "zod/mini";

/** The API in which a program calls a model. */
export type ModelApi = "anthropic" | "openai" | "gemini";

/** A model provider that we reach with a key of its own, without CodeMie in between. */
export interface Provider {
  readonly title: string;
  /** base URL; undefined when it differs between accounts */
  readonly url: string | undefined;
  /** an example of a base URL, for a prompt */
  readonly example: string;
  /** the header that carries the key */
  readonly header: "authorization" | "x-api-key" | "api-key";
  /** the wire formats it speaks; an agent may still try another one, since compatible servers differ */
  readonly speaks: readonly ModelApi[];
  /** paths that may be missing at the end of a base URL; the first that answers is used */
  readonly bases: readonly string[];
}

/** The providers, by a profile's `provider`. A server that is compatible with one of them uses that one's name. */
export const providers = {
  openai: {
    title: "OpenAI",
    url: "https://api.openai.com/v1",
    example: "https://api.openai.com/v1",
    header: "authorization",
    speaks: ["openai"],
    bases: ["/v1", ""],
  },
  anthropic: {
    title: "Anthropic",
    url: "https://api.anthropic.com/v1",
    example: "https://api.anthropic.com/v1",
    header: "x-api-key",
    speaks: ["anthropic"],
    bases: ["/v1", ""],
  },
  azure: {
    title: "Azure OpenAI",
    url: undefined,
    example: "https://my-resource.openai.azure.com",
    header: "api-key",
    speaks: ["openai"],
    bases: ["/openai/v1", "/v1", ""],
  },
  litellm: {
    title: "LiteLLM",
    url: undefined,
    example: "https://litellm.example.com",
    header: "authorization",
    speaks: ["anthropic", "openai", "gemini"],
    bases: ["/v1", ""],
  },
} as const satisfies Record<string, Provider>;

export type ProviderName = keyof typeof providers;
export const providerNames = Object.keys(providers) as [ProviderName, ...ProviderName[]];
export const providerName = z.enum(providerNames);

/** @returns the name if it is a provider's, else undefined (the profile of a CodeMie host has another name or none) */
export function providerOf(name: string | undefined): ProviderName | undefined {
  return providerName.safeParse(name).data;
}
