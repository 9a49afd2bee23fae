import { errorAnswer, type Key, memberAt, rpcCodes } from "./message.ts";

/** The longest list of tools that is looked through, characters. */
const longestList = 4 * 1_048_576;

/** A part of a JSON-RPC message, as far as tools are concerned. */
interface Call {
  readonly method?: unknown;
  readonly params?: { readonly name?: unknown } | null;
  readonly result?: { readonly tools?: unknown } | null;
}

/**
 * Keeps tools of a server from the client: they are left out of its list, and calls of them are refused. A pattern is a tool's
 * name, in which `*` stands for any text; capitals and small letters count as the same.
 */
export class IgnoredTools {
  readonly #patterns: readonly (readonly string[])[];

  /** @param patterns at least one */
  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.map((pattern) => pattern.toLowerCase().split("*"));
  }

  /**
   * Reads what the client sends.
   *
   * @param text a JSON-RPC message or a batch
   * @returns the name of a tool that it calls and that is ignored; undefined when it may pass
   */
  refused(text: string): string | undefined {
    const parsed: Call | Call[] = JSON.parse(text);
    const calls = Array.isArray(parsed) ? parsed : [parsed];
    const names = calls.flatMap((call) =>
      String(membersOf(call, "method")[0]).toLowerCase() === "tools/call"
        ? membersOf(call, "params").flatMap((params) => membersOf(params, "name"))
        : [],
    );
    return names.find((name): name is string => typeof name === "string" && this.#ignores(name));
  }

  /**
   * @param text the server's answer to a request for a list of tools
   * @param answers id of that request
   * @returns the answer without those that are ignored; an error in place of one that is too long to be looked through
   */
  withoutIgnored(text: string, answers: Key = "null"): string {
    if (memberAt(text, "result", "tools") === undefined) return text;
    if (text.length > longestList) {
      const why = `the list of tools is longer than ${longestList} characters, too long for --ignore-tool`;
      return errorAnswer(answers, rpcCodes.failed, `codemie-mcp-proxy: ${why}`);
    }
    const message: Call = JSON.parse(text);
    const tools = message.result?.tools;
    if (!Array.isArray(tools)) return text;
    const kept = tools.filter((tool) => typeof tool?.name !== "string" || !this.#ignores(tool.name));
    return JSON.stringify({ ...message, result: { ...message.result, tools: kept } });
  }

  #ignores(name: string): boolean {
    const text = name.trim().toLowerCase();
    return this.#patterns.some((parts) => fits(text, parts));
  }
}

/** @returns the members of that name, in any spelling of capitals: some servers take each */
const membersOf = (value: unknown, name: string): unknown[] =>
  Object.entries(typeof value === "object" ? (value ?? {}) : {}).flatMap(([key, one]) =>
    key.toLowerCase() === name ? [one] : [],
  );

/** @returns true for a text that begins with the first part, ends with the last, and has the others between, in order */
function fits(text: string, parts: readonly string[]): boolean {
  const [first = "", ...others] = parts;
  const last = others.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of others) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length >= at + last.length && text.endsWith(last);
}
