import { z } from "zod";

/** A model provider that is reached with a key of its own, without CodeMie in between. */
export interface Provider {
  readonly title: string;
  /** base URL, where every account has the same */
  readonly url: string | undefined;
  /** what a base URL looks like, for a prompt */
  readonly example: string;
  /** the header the key goes in */
  readonly header: "authorization" | "x-api-key" | "api-key";
  /** whose wire formats it speaks; what it does not speak an agent may still try, since compatible servers differ */
  readonly speaks: readonly ("anthropic" | "openai")[];
  /** paths a base URL may lack at its end; the first that answers is taken */
  readonly bases: readonly string[];
}

/** By the name a profile has in `provider`. Any server that is compatible with one of these goes by that one's name. */
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
    speaks: ["anthropic", "openai"],
    bases: ["/v1", ""],
  },
} as const satisfies Record<string, Provider>;

export type ProviderName = keyof typeof providers;
export const providerNames = Object.keys(providers) as [ProviderName, ...ProviderName[]];
export const providerName = z.enum(providerNames);

/** @returns the provider of that name, or undefined when it is none (a CodeMie host's profile has other names there) */
export function providerOf(name: string | undefined): ProviderName | undefined {
  return providerName.safeParse(name).data;
}
