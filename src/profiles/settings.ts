import * as z from "zod/mini";
import { parseSeconds } from "../core/parse.ts";
import { type Config, type Profile, profile as profileSchema } from "./config.ts";

/**
 * A value of a profile that `codemie config` may change. Addresses and methods are left to `setup`, since logins depend
 * on them.
 */
export interface Setting {
  readonly name: keyof Profile & string;
  readonly about: string;
  /** parses the typed text; throws zod's error when it is not a value for this setting */
  readonly read: (text: string) => unknown;
}

const oneLine = z.string().check(z.regex(/^[^\p{Cc}\p{Cf}]{1,200}$/u));
const text = (value: string) => oneLine.parse(value.trim());
const seconds = (value: string) => z.number().parse(parseSeconds(value.trim()));

/** Every setting, as `codemie config` shows them. */
export const settings: readonly Setting[] = [
  { name: "model", about: "model to use", read: text },
  { name: "haikuModel", about: "model for the agent's small jobs", read: text },
  { name: "sonnetModel", about: "model for the agent's middle tier", read: text },
  { name: "opusModel", about: "model for the agent's large tier", read: text },
  { name: "codeMieProject", about: "project that model calls count for", read: text },
  { name: "timeout", about: "seconds a request may wait for its first byte, 0 for ever", read: seconds },
];

/**
 * Changes one setting of a profile, in place.
 *
 * @param name the profile's name
 * @param value as typed, or undefined to remove it
 * @returns the stored value, undefined when it was removed; false when there is no such profile
 * @throws zod's error when the text is not a value for this setting
 */
export function change(config: Config, name: string, setting: Setting, value: string | undefined): unknown {
  const found = Object.hasOwn(config.profiles, name) ? config.profiles[name] : undefined;
  if (!found) return false;
  const next: Record<string, unknown> = { ...found };
  if (value === undefined) delete next[setting.name];
  else next[setting.name] = setting.read(value);
  config.profiles[name] = profileSchema.parse(next);
  return next[setting.name];
}
