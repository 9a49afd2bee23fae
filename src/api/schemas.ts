import * as z from "zod/mini";
import { listOf } from "../core/json.ts";
import { isPlainName, longestName, shortened } from "../core/text.ts";

/** Longest answer that we read, bytes after decompression: a thousand models or projects need far less. */
export const longestAnswer = 8 * 1024 * 1024;
/** Longest id of a person, characters: cut, it could be another person's. */
const longestId = 1_000;

/** A person's name or address, which is only shown. */
const personal = z.pipe(z.catch(z.string(), ""), z.transform(shortened));
/** A name or number of which we do without one that is too long. */
const short = z.catch(z.nullish(z.string().check(z.maxLength(longestName))), undefined);

/** `GET /v1/user` (CodeMie fact 3.1): the members that we use. */
export const user = z.object({
  user_id: z.string().check(z.minLength(1), z.maxLength(longestId)),
  name: personal,
  username: personal,
  email: personal,
  /** the newer list of projects; older hosts have only the two below */
  projects: z.catch(listOf(z.object({ name: z.string() })), []),
  applications: z.catch(listOf(z.string()), []),
  applications_admin: z.catch(listOf(z.string()), []),
  is_admin: z.catch(z.boolean(), false),
  is_maintainer: z.catch(z.boolean(), false),
});
export type User = z.infer<typeof user>;

/** `GET /v1/llm_models` (CodeMie fact 3.4): the members that we use. */
export const models = listOf(
  z.object({
    base_name: z.string(),
    deployment_name: z.nullish(z.string()),
    label: short,
    enabled: z._default(z.boolean(), true),
    provider: short,
    default: z._default(z.boolean(), false),
    /** USD per token */
    cost: z.catch(z.nullish(z.object({ input: z.number(), output: z.number() })), undefined),
  }),
);

/** `GET /v1/admin/applications` (CodeMie fact 3.2): objects, or bare names on older hosts. */
export const applications = z.object({
  applications: listOf(z.union([z.string(), z.object({ name: z.string() })])),
});

/**
 * `GET /v1/settings/user` (CodeMie fact 3.3): the members that we use. Entries that do not fit are undefined, since the
 * number of entries tells whether there is another page.
 */
export const settingsPage = z.object({
  data: listOf(
    z.catch(
      z.optional(
        z.object({
          id: z.string().check(z.maxLength(longestName)),
          alias: short,
          project_name: short,
          credential_type: short,
        }),
      ),
      undefined,
    ),
  ),
});

/** Credentials that the host keeps for a project's model calls. */
export interface Integration {
  readonly id: string;
  readonly alias: string;
}

const providerList = listOf(z.object({ id: z.string().check(z.minLength(1)), display_name: short }));

/** `GET models` of a provider: OpenAI's list, Anthropic's, which also has a name for people, or a bare list. */
export const providerModels = z.union([
  providerList,
  z.pipe(
    z.object({ data: providerList }),
    z.transform(({ data }) => data),
  ),
]);

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

/** The answer to a metric (CodeMie fact 6.1). */
export const metricAnswer = z.object({ success: z.boolean() });
