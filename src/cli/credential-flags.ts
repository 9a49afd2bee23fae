import type { CredentialFlags, IdentityFlags } from "../access/given.ts";
import { identityVariable } from "../profiles/resolve.ts";
import type { Cli } from "./frame/command.ts";

/** Flags that give the CI system's own identity for one run. */
export const identityArgs = {
  "id-token": {
    type: "string",
    valueHint: "SOURCE",
    description: "use this job's own identity: github, env:NAME or file:PATH",
  },
  audience: { type: "string", valueHint: "AUD", description: "whom the identity token is for, if not the host" },
  issuer: { type: "string", valueHint: "URL", description: "OpenID provider that exchanges the identity token" },
  "client-id": { type: "string", valueHint: "ID", description: "our client at that provider" },
  scope: { type: "string", valueHint: "'A B'", description: "scope to ask that provider for" },
} as const;

/** Flags that name the host and the credential for one run. Nothing of them is stored. */
export const credentialArgs = {
  url: { type: "string", valueHint: "URL", description: "CodeMie host to ask instead of the profile's" },
  "jwt-token": { type: "string", valueHint: "TOKEN", description: "use this token (- reads standard input)" },
  "jwt-token-file": { type: "string", valueHint: "PATH", description: "use the token in this file" },
  "api-key": { type: "string", valueHint: "KEY", description: "use this key of a model provider" },
  ...identityArgs,
} as const;

type Args<Name extends string> = Readonly<Partial<Record<Name, string | undefined>>>;

/** @returns how the flags have the job's identity become a credential */
export function readIdentity(args: Args<keyof typeof identityArgs>): IdentityFlags {
  const { audience, issuer, scope } = args;
  return { idToken: args["id-token"], audience, issuer, clientId: args["client-id"], scope };
}

/**
 * @param source the value of `--id-token`, if it is given
 * @returns the command line for this run: no program that it starts gets the variables behind that, as with its variable
 */
export function withIdentity(cli: Cli, source: string | undefined): Cli {
  if (source === undefined) return cli;
  return { ...cli, runtime: { ...cli.runtime, env: { ...cli.runtime.env, [identityVariable]: source } } };
}

/** @returns the credential that the flags name */
export function readCredential(args: Args<keyof typeof credentialArgs>): CredentialFlags {
  const [jwtToken, jwtTokenFile, apiKey] = [args["jwt-token"], args["jwt-token-file"], args["api-key"]];
  return { jwtToken, jwtTokenFile, apiKey, ...readIdentity(args) };
}
