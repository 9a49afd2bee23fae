import * as z from "zod/mini";
import { readForwardTo } from "../core/forward-to.ts";
import { callbackHosts } from "../core/host.ts";

/** Whether agents ask the host for betas of the model API. */
export const betaChoices = ["on", "off", "auto"] as const;

/** Whether the sessions of agents are counted for the host. */
export const telemetryChoices = ["on", "off"] as const;

/**
 * A profile, in the existing CLI's file format (CodeMie fact 8.1). The schema lists the members that we use, and keeps
 * every other one as it is.
 */
export const profile = z.looseObject({
  name: z.optional(z.string()),
  provider: z.optional(z.string()),
  codeMieUrl: z.optional(z.string()),
  baseUrl: z.optional(z.string()),
  model: z.optional(z.string()),
  haikuModel: z.optional(z.string()),
  sonnetModel: z.optional(z.string()),
  opusModel: z.optional(z.string()),
  codeMieProject: z.optional(z.string()),
  codeMieIntegration: z.optional(z.looseObject({ id: z.string() })),
  /** log in at this OpenID provider instead of the host's own single sign-on */
  oidc: z.optional(
    z.looseObject({
      issuer: z.string(),
      clientId: z.string(),
      scope: z.optional(z.string()),
      prompt: z.optional(z.string()),
      /** true: logs in with a device code, as it did before */
      device: z.optional(z.boolean()),
      /** true: its tokens are bound to a key (DPoP, RFC 9449) */
      dpop: z.optional(z.boolean()),
      /** where our client's secret is: the variable's name, never the secret itself */
      clientSecretEnv: z.optional(z.string()),
      /** absolute path of our client's private key */
      clientKeyFile: z.optional(z.string()),
      callbackHost: z.optional(z.enum(callbackHosts)),
      callbackPort: z.optional(z.int().check(z.gte(1), z.lte(65_535))),
    }),
  ),
  /** names the variable that holds a bearer token; never holds a token itself */
  jwtConfig: z.optional(z.looseObject({ tokenEnvVar: z.optional(z.string()) })),
  /** seconds a request may wait for its first byte, 0 for ever; a timer of more than 2^31 ms would fire immediately */
  timeout: z.optional(z.number().check(z.nonnegative(), z.lte(2_147_483))),
  /** more paths of the host that agents may use through the gateway, each `METHOD /path` with `*` for one segment */
  gatewayPaths: z.optional(
    z.array(
      z.string().check(z.regex(/^(?:[A-Z]+|\*) (?:\/(?:[A-Za-z0-9_~@:-][A-Za-z0-9._~@:-]*|\*))+$/, "not METHOD /path")),
    ),
  ),
  /** private hosts that the relay may reach, each a host or a host with its port; plain `http:` is for these alone */
  relayPrivateHosts: z.optional(
    z.array(
      z
        .string()
        .check(
          z.maxLength(300),
          z.regex(/^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/, "not a host, or a host with its port"),
        ),
    ),
  ),
  /** betas of the model API; `auto`, the default: until the host refuses one */
  betas: z.optional(z.enum(betaChoices)),
  /** `off`: sessions of agents are not counted, and nothing of them is sent; default: `on` */
  telemetry: z.optional(z.enum(telemetryChoices)),
  /** accept any certificate of this profile's host; every run warns of it */
  insecureSkipTlsVerify: z.optional(z.boolean()),
});
export type Profile = z.infer<typeof profile>;

/** The configuration file, version 2. It holds no secret. */
export const config = z.looseObject({
  version: z._default(z.literal(2), 2),
  activeProfile: z.optional(z.string()),
  profiles: z._default(z.record(z.string(), profile), {}),
  /** where each line of the audit trail is sent as well */
  auditForward: z.optional(
    z.string().check(
      z.refine((text) => typeof readForwardTo(text) !== "string", {
        error: ({ input }) => String(readForwardTo(String(input))),
      }),
    ),
  ),
});
export type Config = z.infer<typeof config>;

/** Visible ASCII only, since a repository's values are shown on the terminal and sent as headers. */
const plainText = z.string().check(z.regex(/^[\x21-\x7e]([\x20-\x7e]{0,198}[\x21-\x7e])?$/));

/** A model's name as the gateway lets one pass; agents put it into arguments and configurations of their own. */
const modelName = z.string().check(z.regex(/^[A-Za-z0-9][\w.:@/-]{0,199}$/));

/** The only settings that a repository's own file may make: model and project, never a host or a credential. */
export const repositoryProfile = z.object({
  model: z.catch(z.optional(modelName), undefined),
  codeMieProject: z.catch(z.optional(plainText), undefined),
});
export type RepositoryProfile = z.infer<typeof repositoryProfile>;

/** The form of an environment variable's name. */
export const variableName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** The form of a profile's name. */
export const profileName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
