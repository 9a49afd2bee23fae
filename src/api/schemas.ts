import { z } from "zod";

/** `GET /v1/user` (CodeMie fact 3.1), as far as it is used. */
export const user = z.object({
  user_id: z.string().min(1),
  name: z.string().default(""),
  username: z.string().default(""),
  email: z.string().default(""),
});
export type User = z.infer<typeof user>;

/** `GET /v1/llm_models` (CodeMie fact 3.4), as far as it is used. */
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

/** A model this account may use. The gateway takes the deployment's name; the base name is the fallback. */
export interface Model {
  readonly id: string;
  readonly label: string;
  readonly provider: string | null;
  readonly default: boolean;
  /** USD per token */
  readonly cost: { readonly input: number; readonly output: number } | null;
}
