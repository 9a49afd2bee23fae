import { nearest } from "../../core/text.ts";
import { cliFailure } from "../failures.ts";
import { bridgeFailure } from "./failures.ts";

/** Flags of the bridge: those with a value, and those without. */
const flags = {
  header: "value",
  "header-env": "value",
  "header-file": "value",
  transport: "value",
  protocol: "value",
  "allow-http": "switch",
  timeout: "value",
  grant: "value",
  scope: "value",
  prompt: "value",
  "authorize-param": "value",
  "ignore-tool": "value",
  resource: "value",
  "no-resource": "switch",
  issuer: "value",
  "client-id": "value",
  "client-secret-env": "value",
  "client-key-env": "value",
  "client-key": "value",
  "client-metadata-url": "value",
  "idp-token-endpoint": "value",
  "idp-client-id": "value",
  "idp-client-secret-env": "value",
  "id-token-env": "value",
  "id-token": "value",
  audience: "value",
  profile: "value",
  "callback-host": "value",
  "callback-port": "value",
  "auth-timeout": "value",
  "no-browser": "switch",
  "device-code": "switch",
  persist: "switch",
  explain: "switch",
  json: "switch",
  "no-color": "switch",
  version: "switch",
  help: "switch",
} as const;
/** A flag's name, without its dashes. */
export type Flag = keyof typeof flags;

/** The names of all flags. */
export const bridgeFlags = Object.keys(flags) as readonly Flag[];

const program = "codemie-mcp-proxy";

/** @returns true for a word that may be repeated: a slip in a name, and hardly a key, which has capitals or digits */
export const isPlainWord = (word: string): boolean => /^[a-z.:/_-]{1,60}$/.test(word);

/**
 * A shell or an editor broke a header at its blank: what follows its first part is no flag, and often the token.
 *
 * @returns true when a word follows a header that is a name alone, or a name and a scheme
 */
export function isSplit(args: readonly string[]): boolean {
  return args.some((arg, i) => {
    const [flag, value, next] = arg.includes("=")
      ? [arg.slice(0, arg.indexOf("=")), arg, args[i + 1]]
      : [arg, args[i + 1], args[i + 2]];
    const isHeader = /^--header(?:-env)?$/.test(flag ?? "");
    const isPart = value !== undefined && !/\s\S/.test(value);
    return isHeader && isPart && next !== undefined && !next.startsWith("--") && !/^https?:\/\//i.test(next);
  });
}

/**
 * Separates flags from words. Each flag keeps all its values, since `--header` may be repeated.
 *
 * @returns each flag's values in order (one empty text for a switch), and the words
 * @throws usage errors: unknown flags, missing or surplus values
 */
export function splitFlags(args: readonly string[]): { values: Partial<Record<Flag, string[]>>; words: string[] } {
  const values: Partial<Record<Flag, string[]>> = {};
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (!arg.startsWith("-")) {
      words.push(arg);
      continue;
    }
    const at = arg.indexOf("=");
    const typed = at < 0 ? arg : arg.slice(0, at);
    const name = typed === "-h" ? "help" : typed.slice(2);
    if (!(typed.startsWith("--") || typed === "-h") || !Object.hasOwn(flags, name)) {
      const close = nearest(
        typed,
        Object.keys(flags).map((known) => `--${known}`),
      );
      if (isSplit(args)) throw bridgeFailure.splitHeader();
      if (isPlainWord(typed) && typed.startsWith("--")) throw cliFailure.noFlag(program, typed, close);
      throw bridgeFailure.noFlag(i + 1);
    }
    const flag = name as Flag;
    if (flags[flag] === "switch") {
      if (at >= 0) throw cliFailure.takesNoValue(program, typed);
      values[flag] = [""];
      continue;
    }
    const value = at < 0 ? args[++i] : arg.slice(at + 1);
    if (value === "" && flag === "prompt") {
      values.prompt = [value];
      continue;
    }
    if (!value || (at < 0 && value.startsWith("--"))) throw cliFailure.needsValue(program, typed);
    values[flag] = [...(values[flag] ?? []), value];
  }
  return { values, words };
}
