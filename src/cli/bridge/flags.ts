import { nearest } from "../../core/text.ts";
import { cliFailure } from "../failures.ts";
import { bridgeFailure } from "./failures.ts";

/** Flags of the bridge: those with a value, and those without. */
const flags = {
  header: "value",
  "header-env": "value",
  "header-file": "value",
  transport: "value",
  "allow-http": "switch",
  timeout: "value",
  grant: "value",
  scope: "value",
  prompt: "value",
  "authorize-param": "value",
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
  "id-token-env": "value",
  profile: "value",
  "callback-port": "value",
  "auth-timeout": "value",
  "no-browser": "switch",
  persist: "switch",
  explain: "switch",
  json: "switch",
  "no-color": "switch",
  version: "switch",
  help: "switch",
} as const;
/** A flag's name, without its dashes. */
export type Flag = keyof typeof flags;

const program = "codemie-mcp-proxy";

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
      throw bridgeFailure.noFlag(i + 1, close);
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
