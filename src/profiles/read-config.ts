import * as z from "zod/mini";
import { type Config, config } from "./config.ts";
import { profileFailure } from "./failures.ts";

/** The existing CLI's first format: one profile, flat, without a version (CodeMie fact 8.1). */
const flat = z.looseObject({
  version: z.optional(z.never()),
  profiles: z.optional(z.never()),
  provider: z.optional(z.string()),
  baseUrl: z.optional(z.string()),
  codeMieUrl: z.optional(z.string()),
  apiKey: z.optional(z.string()),
});

/**
 * Reads a configuration file's text: version 2, or the flat version 1 as one profile named `default`.
 *
 * @param text the file's text
 * @param file its path, for messages
 * @returns the configuration
 * @throws `config_damaged`, naming the member and the line, when it is not JSON or not of the expected shape
 */
export async function readConfig(text: string, file: string): Promise<Config> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw profileFailure.configDamaged(file, await syntaxError(text));
  }
  const found = flat.safeParse(json).data;
  const old =
    found && (found.provider ?? found.baseUrl ?? found.codeMieUrl ?? found.apiKey) !== undefined ? found : undefined;
  if (old) {
    json = { version: 2, activeProfile: "default", profiles: { default: { ...old, name: "default" } } };
  }
  const result = config.safeParse(json);
  if (result.success) return result.data;
  const { default: english } = await import("zod/v4/locales/en.js");
  const issue = z.safeParse(config, json, { error: english().localeError }).error?.issues[0];
  const whole = (issue?.path ?? []).filter((part) => typeof part !== "symbol");
  const path = old ? whole.slice(2) : whole;
  const line = await lineOf(text, path);
  throw profileFailure.configDamaged(
    file,
    `line ${line}, ${path.join(".") || "the file"}: ${issue?.message ?? "unexpected"}`,
  );
}

/** Names of the variables in which profiles find bearer tokens; `areAll` is false when there may be more. */
export interface TokenVariables {
  readonly names: readonly string[];
  readonly areAll: boolean;
}

/** Members that name a variable with a secret. */
const secretNames = new Set(["tokenEnvVar", "clientSecretEnv"]);

/**
 * Finds every variable that a profile names for a secret, at any depth, whatever else is wrong with a configuration.
 *
 * @param text the file's text; where it is not JSON, the names are those that can be seen in it
 */
export function tokenVariablesIn(text: string): TokenVariables {
  const names: string[] = [];
  try {
    JSON.parse(text, (member, value) => {
      if (secretNames.has(member) && typeof value === "string") names.push(value);
      return value;
    });
    return { names, areAll: true };
  } catch {
    const seen = [...text.matchAll(/"(?:tokenEnvVar|clientSecretEnv)"\s*:\s*"([^"]*)"/g)];
    return { names: seen.map(([, name = ""]) => name), areAll: false };
  }
}

/** Loads the parser that knows positions only now, when there is an error to locate. */
async function syntaxError(text: string): Promise<string> {
  const { parse, printParseErrorCode } = await import("jsonc-parser");
  const errors: Parameters<typeof parse>[1] = [];
  parse(text, errors, { disallowComments: true });
  const first = errors[0];
  if (!first) return "it is not JSON";
  const words = printParseErrorCode(first.error)
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  return `line ${lineAt(text, first.offset)}: ${words}`;
}

/** @returns the line of a member, or else of its nearest parent that exists */
async function lineOf(text: string, path: readonly (string | number)[]): Promise<number> {
  const { parseTree, findNodeAtLocation } = await import("jsonc-parser");
  const tree = parseTree(text);
  for (let length = path.length; tree && length > 0; length--) {
    const node = findNodeAtLocation(tree, [...path.slice(0, length)]);
    if (node) return lineAt(text, node.offset);
  }
  return 1;
}

const lineAt = (text: string, offset: number) => text.slice(0, offset).split("\n").length;
