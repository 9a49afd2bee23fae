import { Secret } from "../core/secret.ts";
import type { Config, Profile } from "./config.ts";

/** A secret that the existing CLI keeps unencrypted in its configuration file (CodeMie fact 8.1). */
export interface FoundSecret {
  readonly profile: string;
  /** the member that held it, for example `apiKey` or `jwtConfig.token` */
  readonly member: string;
  readonly value: Secret;
  /** the profile that held it */
  readonly of: Profile;
}

/** Members that hold a secret. */
const members = [
  ["apiKey"],
  ["awsSecretAccessKey"],
  ["awsSessionToken"],
  ["jwtConfig", "token"],
  ["ssoConfig", "cookiesEncrypted"],
] as const;

/** Placeholders that the existing CLI writes instead of a key. */
const placeholder = /^(sso-provided|sso-authenticated|proxy-handled|not-required|dummy|)$/;

/** @returns the unencrypted secrets in a configuration */
export function findSecrets(config: Config): FoundSecret[] {
  const found: FoundSecret[] = [];
  for (const [name, profile] of Object.entries(config.profiles)) {
    for (const path of members) {
      const value = at(profile, path);
      if (typeof value === "string" && !placeholder.test(value)) {
        found.push({ profile: name, member: path.join("."), value: new Secret(value), of: profile });
      }
    }
  }
  return found;
}

/** Takes secrets out of a configuration, in place. */
export function removeSecrets(config: Config, secrets: readonly FoundSecret[]): void {
  for (const { profile, member } of secrets) {
    const path = member.split(".");
    const last = path.pop() ?? "";
    const holder = at(config.profiles[profile], path);
    if (typeof holder === "object" && holder !== null) delete (holder as Record<string, unknown>)[last];
  }
}

/** @returns the unencrypted API key of a profile whose secrets have not moved to the vault yet; undefined for none */
export function clearKeyOf(profile: Profile): string | undefined {
  const key = profile.apiKey;
  return typeof key === "string" && !placeholder.test(key) ? key : undefined;
}

function at(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const member of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = Object.hasOwn(current, member) ? (current as Record<string, unknown>)[member] : undefined;
  }
  return current;
}
