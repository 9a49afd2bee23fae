import * as z from "zod/mini";
import { readForwardTo } from "../core/forward-to.ts";
import { hostOfPage, parseHost, parseProvider } from "../core/host.ts";
import { parseSeconds } from "../core/parse.ts";
import { betaChoices, type Config, type Profile, profile as profileSchema, telemetryChoices } from "./config.ts";
import { profileFailure } from "./failures.ts";
import { providerOf } from "./providers.ts";
import { isCodemie, usableHostOf } from "./resolve.ts";

/** A value that `codemie config` may change, of a profile unless it says otherwise. Methods are left to `setup`, since logins depend on them. */
export interface Setting {
  readonly name: string;
  readonly about: string;
  /** true: it stands beside the profiles and counts for all of them */
  readonly isOfAll?: boolean;
  /** the host's list that has its values */
  readonly of?: "models" | "projects";
  /** parses the typed text; throws zod's error when it is not a value for this setting */
  readonly read: (text: string, profile: Profile) => unknown;
  /** the profile with the value read; default: it is the profile's member of this name */
  readonly write?: (profile: Profile, value: unknown) => Profile;
}

const oneLine = z.string().check(z.regex(/^[^\p{Cc}\p{Cf}]{1,200}$/u));
const text = (value: string) => oneLine.parse(value.trim());
const oneOfBetas = (value: string) => z.enum(betaChoices).parse(value.trim().toLowerCase());
const oneOfTelemetry = (value: string) => z.enum(telemetryChoices).parse(value.trim().toLowerCase());
const seconds = (value: string) => z.number().parse(parseSeconds(value.trim()));

/** Members that mean something at the profile's host alone, or that let it do more than another one may. */
const ofHost = [
  "model",
  "haikuModel",
  "sonnetModel",
  "opusModel",
  "codeMieProject",
  "codeMieIntegration",
  "betas",
  "gatewayPaths",
  "relayPrivateHosts",
  "insecureSkipTlsVerify",
] as const;

/**
 * @param profile as it was
 * @param origin of the host that it leads to now
 * @returns the profile without what was said of another host
 */
export function movedTo(profile: Profile, origin: string): Profile {
  const isOfNone = profile.codeMieUrl === undefined && profile.baseUrl === undefined;
  if (isOfNone || usableHostOf(profile)?.origin === origin) return profile;
  return Object.fromEntries(Object.entries(profile).filter(([name]) => !ofHost.some((one) => one === name)));
}

/** The profile at another address: a CodeMie host's, or a provider's base URL. */
function atHost(profile: Profile, value: unknown): Profile {
  const isProvider = providerOf(profile.provider) !== undefined;
  const host = (isProvider ? parseProvider : parseHost)(String(value));
  return { ...movedTo(profile, host.origin), ...(isProvider ? {} : { codeMieUrl: host.origin }), baseUrl: host.api };
}

function address(text: string, { provider = "", name = "" }: Profile): string {
  if (providerOf(provider)) return parseProvider(text).api;
  if (provider && !isCodemie({ provider })) throw profileFailure.otherService(name, provider);
  return hostOfPage(text).host.origin;
}

function receiver(text: string): string {
  const value = text.trim();
  const found = readForwardTo(value);
  if (typeof found === "string") throw profileFailure.badReceiver(found);
  return value;
}

/** Every setting, as `codemie config` shows them. */
export const settings: readonly Setting[] = [
  { name: "url", about: "CodeMie host, or base URL of a model API", read: address, write: atHost },
  { name: "model", about: "model to use", of: "models", read: text },
  { name: "haikuModel", about: "model for the agent's small jobs", of: "models", read: text },
  { name: "sonnetModel", about: "model for the agent's middle tier", of: "models", read: text },
  { name: "opusModel", about: "model for the agent's large tier", of: "models", read: text },
  { name: "codeMieProject", about: "project that model calls count for", of: "projects", read: text },
  { name: "timeout", about: "seconds a request may wait for its first byte, 0 for ever", read: seconds },
  { name: "betas", about: "on, off, or auto: Claude Code's betas, until the host refuses one", read: oneOfBetas },
  { name: "telemetry", about: "on or off: counting agents' sessions for the CodeMie host", read: oneOfTelemetry },
  {
    name: "auditForward",
    about: "where each line of the audit trail is sent as well: syslog:, syslog+tls://HOST or otlp:URL",
    isOfAll: true,
    read: receiver,
  },
];

/**
 * Changes one setting of a profile, or of all, in place.
 *
 * @param name the profile's name; it does not count for a setting of all
 * @param value as typed, or undefined to remove it
 * @returns the stored value, undefined when it was removed; false when there is no such profile
 * @throws zod's error, or a usage error, when the text is not a value for this setting
 */
export function change(config: Config, name: string, setting: Setting, value: string | undefined): unknown {
  if (setting.isOfAll) {
    const stored = value === undefined ? undefined : setting.read(value, {});
    if (stored === undefined) delete config[setting.name];
    else config[setting.name] = stored;
    return stored;
  }
  const found = Object.hasOwn(config.profiles, name) ? config.profiles[name] : undefined;
  if (!found) return false;
  const next: Record<string, unknown> = { ...found };
  const stored = value === undefined ? undefined : setting.read(value, found);
  if (stored === undefined) delete next[setting.name];
  else next[setting.name] = stored;
  config.profiles[name] = profileSchema.parse(setting.write?.(found, stored) ?? next);
  return stored;
}
