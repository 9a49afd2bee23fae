import { z } from "zod";
import { isPlainName } from "../core/text.ts";

/** Longest answer that we read, bytes after decompression: a thousand models or projects need far less. */
export const longestAnswer = 8 * 1024 * 1024;

/** `GET /v1/user` (CodeMie fact 3.1): the members that we use. */
export const user = z.object({
  user_id: z.string().min(1),
  name: z.string().default(""),
  username: z.string().default(""),
  email: z.string().default(""),
  /** the newer list of projects; older hosts have only the two below */
  projects: z.array(z.object({ name: z.string() })).catch([]),
  applications: z.array(z.string()).catch([]),
  applications_admin: z.array(z.string()).catch([]),
  is_admin: z.boolean().catch(false),
  is_maintainer: z.boolean().catch(false),
});
export type User = z.infer<typeof user>;

/** `GET /v1/llm_models` (CodeMie fact 3.4): the members that we use. */
export const models = z.array(
  z.object({
    base_name: z.string(),
    deployment_name: z.string().optional(),
    label: z.string().optional(),
    enabled: z.boolean().default(true),
    provider: z.string().optional(),
    default: z.boolean().default(false),
    /** USD per token */
    cost: z.object({ input: z.number(), output: z.number() }).optional(),
  }),
);

/** `GET /v1/admin/applications` (CodeMie fact 3.2): objects, or bare names on older hosts. */
export const applications = z.object({
  applications: z.array(z.union([z.string(), z.object({ name: z.string() })])),
});

/** `GET /v1/settings/user` (CodeMie fact 3.3): the members that we use. */
export const settingsPage = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      alias: z.string().nullish(),
      project_name: z.string().nullish(),
      credential_type: z.string().nullish(),
    }),
  ),
});

/** Credentials that the host keeps for a project's model calls. */
export interface Integration {
  readonly id: string;
  readonly alias: string;
}

/** `GET models` of a provider: OpenAI's list, or Anthropic's, which also has a name for people. */
export const providerModels = z.object({
  data: z.array(z.object({ id: z.string().min(1), display_name: z.string().optional() })),
});

/**
 * A model this account may use. `id` is the deployment's name, which the gateway takes; the base name is the fallback.
 */
export interface Model {
  readonly id: string;
  readonly label: string;
  readonly provider: string | null;
  readonly default: boolean;
  /** USD per token */
  readonly cost: { readonly input: number; readonly output: number } | null;
}

/**
 * @returns the models whose ids can be passed on: an agent gets them as variables and arguments, which hold no NUL and are
 *   of limited length
 */
export const usable = (all: readonly Model[]): Model[] => all.filter(({ id }) => isPlainName(id));
