import { requireAbsolute } from "../platform/places.ts";
import { variableName } from "../profiles/config.ts";
import { authFailure } from "./failures.ts";

/** Who hands out the identity token of a job: GitHub Actions, a variable (GitLab), or a file (Kubernetes). */
export type IdentitySource =
  | { readonly kind: "github" }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "file"; readonly path: string };

/** The provider that gives an access token for an identity token, and which client we are there. */
export interface IdentityExchange {
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string | undefined;
}

/** An identity token that is given for this run and stored nowhere. */
export interface GivenIdentity {
  readonly kind: "identity";
  readonly source: IdentitySource;
  /** whom the token is for: another `aud` is refused */
  readonly audience: string;
  /** undefined: the host trusts the token's issuer */
  readonly exchange: IdentityExchange | undefined;
  /** the variable that says so, if one does */
  readonly variable?: string | undefined;
}

/**
 * Reads the value of `--id-token` or its variable.
 *
 * @param text `github`, `env:NAME` or `file:PATH`
 * @param from the flag or variable, for the error
 * @throws usage error for anything else, without repeating it: it may be a token; for a relative path
 */
export function parseIdentitySource(text: string, from: string): IdentitySource {
  if (text === "github") return { kind: "github" };
  if (text.startsWith("file:")) return { kind: "file", path: requireAbsolute(from, text.slice("file:".length)) };
  const name = /^env:(.*)$/.exec(text)?.[1] ?? "";
  if (!variableName.test(name)) throw authFailure.badIdentitySource(from);
  return { kind: "variable", name };
}

/** @returns the source of an identity token in words */
export function identityPlace(source: IdentitySource): string {
  switch (source.kind) {
    case "github":
      return "GitHub Actions";
    case "variable":
      return `the variable ${source.name}`;
    case "file":
      return `the file ${source.path}`;
  }
}
