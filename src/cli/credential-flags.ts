import type { CredentialFlags } from "../access/given.ts";

/** Flags that name the host and the credential for one run. Nothing of them is stored. */
export const credentialArgs = {
  url: { type: "string", valueHint: "URL", description: "CodeMie host to ask instead of the profile's" },
  "jwt-token": { type: "string", valueHint: "TOKEN", description: "use this token (- reads standard input)" },
  "jwt-token-file": { type: "string", valueHint: "PATH", description: "use the token in this file" },
  "api-key": { type: "string", valueHint: "KEY", description: "use this key of a model provider" },
} as const;

/** @returns the credential that the flags name */
export function readCredential(args: {
  readonly "jwt-token"?: string | undefined;
  readonly "jwt-token-file"?: string | undefined;
  readonly "api-key"?: string | undefined;
}): CredentialFlags {
  return { jwtToken: args["jwt-token"], jwtTokenFile: args["jwt-token-file"], apiKey: args["api-key"] };
}
