import { z } from "zod";
import { callbackHosts } from "../core/host.ts";

/**
 * A profile, in the existing CLI's file format (CodeMie fact 8.1). The schema lists the members that we use, and keeps
 * every other one as it is.
 */
export const profile = z.looseObject({
  name: z.string().optional(),
  provider: z.string().optional(),
  codeMieUrl: z.string().optional(),
  baseUrl: z.string().optional(),
  model: z.string().optional(),
  haikuModel: z.string().optional(),
  sonnetModel: z.string().optional(),
  opusModel: z.string().optional(),
  codeMieProject: z.string().optional(),
  codeMieIntegration: z.looseObject({ id: z.string() }).optional(),
  /** log in at this OpenID provider instead of the host's own single sign-on */
  oidc: z
    .looseObject({
      issuer: z.string(),
      clientId: z.string(),
      scope: z.string().optional(),
      callbackHost: z.enum(callbackHosts).optional(),
      callbackPort: z.int().min(1).max(65_535).optional(),
    })
    .optional(),
  /** names the variable that holds a bearer token; never holds a token itself */
  jwtConfig: z.looseObject({ tokenEnvVar: z.string().optional() }).optional(),
  /** seconds a request may wait for its first byte, 0 for ever; a timer of more than 2^31 ms would fire immediately */
  timeout: z.number().nonnegative().max(2_147_483).optional(),
  /** more paths of the host that agents may use through the gateway, each `METHOD /path` with `*` for one segment */
  gatewayPaths: z
    .array(z.string().regex(/^(?:[A-Z]+|\*) (?:\/(?:[A-Za-z0-9_~@:-][A-Za-z0-9._~@:-]*|\*))+$/, "not METHOD /path"))
    .optional(),
  /** accept any certificate of this profile's host; every run warns of it */
  insecureSkipTlsVerify: z.boolean().optional(),
});
export type Profile = z.infer<typeof profile>;

/** The configuration file, version 2. It holds no secret. */
export const config = z.looseObject({
  version: z.literal(2).default(2),
  activeProfile: z.string().optional(),
  profiles: z.record(z.string(), profile).default({}),
});
export type Config = z.infer<typeof config>;

/** Visible ASCII only, since a repository's values are shown on the terminal and sent as headers. */
const plainText = z.string().regex(/^[\x21-\x7e]([\x20-\x7e]{0,198}[\x21-\x7e])?$/);

/** The only settings that a repository's own file may make: model and project, never a host or a credential. */
export const repositoryProfile = z.object({
  model: plainText.optional().catch(undefined),
  codeMieProject: plainText.optional().catch(undefined),
});
export type RepositoryProfile = z.infer<typeof repositoryProfile>;

/** The form of an environment variable's name. */
export const variableName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** The form of a profile's name. */
export const profileName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
