import type { ProofKey } from "../../oauth/proof-key.ts";
import type { Trace } from "../../oauth/trace.ts";
import type { Challenge } from "../challenge.ts";
import { mcpFailure } from "../failures.ts";
import type { Deployment } from "./discovery.ts";

/**
 * Decides whether the next token is to be bound to a key (DPoP, RFC 9449): when the server asks for that, in its challenge or
 * its metadata, and its authorization server can do it.
 *
 * @param before the key that we have already
 * @returns the key; undefined for a bearer token
 * @throws `auth_refused` when the server takes nothing but bound tokens, and one of the two does not know our signature
 */
export async function proofKeyFor(
  { server, takesBoundOnly, proofAlgorithms }: Deployment,
  { takes }: Challenge,
  before: ProofKey | undefined,
  trace: Trace,
): Promise<ProofKey | undefined> {
  if (!takesBoundOnly && !takes.bound) return undefined;
  const { ProofKey, takesOurProofs } = await import("../../oauth/proof-key.ts");
  const issuers = server.dpop_signing_alg_values_supported;
  const isPossible = issuers !== undefined && takesOurProofs(issuers) && takesOurProofs(proofAlgorithms);
  const isDemanded = takesBoundOnly || !takes.bearer;
  const detail = isPossible ? "tokens are bound to a key of ours" : "not possible with this authorization server";
  trace({ name: "DPoP", ok: isPossible || !isDemanded, detail, reference: "RFC 9449 section 5" });
  if (isPossible) return before ?? ProofKey.generate();
  if (isDemanded) throw mcpFailure.noBoundTokens(server.issuer);
  return undefined;
}
