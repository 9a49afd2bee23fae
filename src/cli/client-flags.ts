import { resolve } from "node:path";
import { type ClientProof, proofPlace, sealable } from "../auth/client-proof.ts";
import type { Runtime } from "../platform/runtime.ts";
import { variableName } from "../profiles/config.ts";
import { cliFailure } from "./failures.ts";

/** Flags for how our client proves itself at an OpenID provider, and the tokens at the host. */
export const clientArgs = {
  dpop: { type: "boolean", description: "have the tokens bound to a key of this login, useless without it (DPoP)" },
  "client-secret-env": { type: "string", valueHint: "NAME", description: "variable with the client's secret" },
  "client-key": { type: "string", valueHint: "FILE", description: "its private key instead, PKCS#8 PEM or JWK" },
  "keep-client-secret": {
    type: "boolean",
    description: "seal that secret or key in the vault, for renewals without it",
  },
} as const;

/**
 * @param args the values of {@link clientArgs}
 * @returns how the client proves itself; without these flags, nothing
 * @throws usage errors; as {@link sealable}
 */
export async function readClientProof(
  args: {
    readonly "client-secret-env"?: string | undefined;
    readonly "client-key"?: string | undefined;
    readonly "keep-client-secret"?: boolean | undefined;
  },
  runtime: Runtime,
): Promise<ClientProof> {
  const name = args["client-secret-env"];
  const key = args["client-key"];
  const keeps = args["keep-client-secret"] === true;
  if (name !== undefined && key !== undefined) throw cliFailure.secretOrKey();
  if (keeps && name === undefined && key === undefined) throw cliFailure.nothingToKeep();
  if (name !== undefined && !variableName.test(name)) throw cliFailure.notAVariableName("--client-secret-env");
  const place = proofPlace({ clientSecretEnv: name, clientKeyFile: key && resolve(runtime.cwd, key) });
  if (name === undefined && key === undefined) return place;
  const sealed = await sealable(place, runtime);
  return keeps ? sealed : place;
}
