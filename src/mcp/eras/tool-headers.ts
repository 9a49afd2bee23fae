import { edited, elementsOf, longestValue, valueIn } from "../json-text.ts";
import { memberAt, textAt } from "../message.ts";
import { encodedHeader } from "./header-value.ts";

/** An argument of a tool that is repeated in a header. */
interface Mirrored {
  /** names of members, each in the object before */
  readonly path: readonly string[];
  /** name of the header */
  readonly header: string;
}

/** A tool that is left out of a list, and why. */
export interface LeftOut {
  readonly name: string;
  readonly why: string;
}

const annotation = "x-mcp-header";
/** How many headers a tool may have. */
const mostHeaders = 100;
/** How much of the tools with headers is remembered: names of tools, headers and arguments, characters. */
const mostKept = 4 * 1_048_576;

/** Members of a schema that hold values, not schemas. */
const values: ReadonlySet<string> = new Set(["const", "default", "enum", "example", "examples"]);
/** Members of a schema that hold schemas by name. */
const maps: ReadonlySet<string> = new Set(["$defs", "definitions", "dependentSchemas", "patternProperties"]);
/** Types of an argument that may stand in a header. */
const primitive: readonly unknown[] = ["integer", "string", "boolean"];

/**
 * The headers that a server's tools want their arguments repeated in (MCP 2026-07-28, transports, custom headers from tool
 * parameters). It learns them from the lists of tools that pass.
 */
export class ToolHeaders {
  readonly #byTool = new Map<string, readonly Mirrored[]>();
  #kept = 0;

  /**
   * Learns from an answer to `tools/list`.
   *
   * @returns the answer without the tools whose annotation is not allowed, and those tools
   */
  learn(answer: string): { readonly text: string; readonly leftOut: readonly LeftOut[] } {
    if (this.#byTool.size === 0 && !answer.includes(annotation)) return { text: answer, leftOut: [] };
    const tools = elementsOf(memberAt(answer, "result", "tools"));
    if (!tools) return { text: answer, leftOut: [] };
    const leftOut: LeftOut[] = [];
    const kept = tools.filter((tool) => {
      const name = textAt(tool, "name");
      if (name === undefined) return true;
      const found = headersIn(memberAt(tool, "inputSchema") ?? "{}");
      this.#forget(name);
      if (typeof found === "string") leftOut.push({ name, why: found });
      else if (found.length > 0) this.#learnOne(name, found);
      return typeof found !== "string";
    });
    if (leftOut.length === 0) return { text: answer, leftOut };
    const withKept = (result: string | undefined) => result && edited(result, { tools: `[${kept.join(",")}]` });
    return { text: edited(answer, { result: withKept }), leftOut };
  }

  #learnOne(name: string, found: readonly Mirrored[]): void {
    this.#byTool.set(name, found);
    this.#kept += lengthOf(name, found);
    for (const oldest of this.#byTool.keys()) {
      if (this.#kept <= mostKept) return;
      this.#forget(oldest);
    }
  }

  #forget(name: string): void {
    const found = this.#byTool.get(name);
    if (found && this.#byTool.delete(name)) this.#kept -= lengthOf(name, found);
  }

  /** @returns the headers for a call, as {@link ToolHeaders} knows its tool */
  headersOf(tool: string, call: string): Record<string, string> {
    const mirrored = this.#byTool.get(tool);
    if (!mirrored) return {};
    const given = memberAt(call, "params", "arguments");
    return Object.fromEntries(
      mirrored.flatMap(({ path, header }) => {
        const value = valueIn(memberAt(given, ...path));
        const isPlain = ["string", "number", "boolean"].includes(typeof value);
        return isPlain ? [[header, encodedHeader(String(value))]] : [];
      }),
    );
  }
}

/** @returns how much a tool's headers need, characters; an entry has a length of its own beside its names */
function lengthOf(name: string, found: readonly Mirrored[]): number {
  const lengths = found.map(({ path, header }) => path.reduce((sum, one) => sum + one.length + 16, header.length + 64));
  return lengths.reduce((sum, one) => sum + one, name.length + 64);
}

const ownMember = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name) ? Object(value)[name] : undefined;

/** @returns as {@link mirroredIn}, of a schema that is JSON text */
function headersIn(schema: string): readonly Mirrored[] | string {
  // A name in JSON may be written with escapes.
  if (!schema.includes(annotation) && !schema.includes("\\")) return [];
  if (schema.length > longestValue) return `its schema is longer than ${longestValue} characters`;
  return mirroredIn(JSON.parse(schema));
}

/** @returns the arguments that a schema wants in headers; the reason when an annotation of it is not allowed */
function mirroredIn(schema: unknown): readonly Mirrored[] | string {
  const found: Mirrored[] = [];
  const names = new Set<string>();
  const visit = (at: unknown, path: readonly string[] | undefined): string | undefined => {
    if (Array.isArray(at)) return firstOf(at, (one) => visit(one, undefined));
    if (typeof at !== "object" || at === null) return undefined;
    if (Object.hasOwn(at, annotation)) {
      const name: unknown = ownMember(at, annotation);
      if (!path || path.length === 0) return `${annotation} stands where no chain of properties leads`;
      if (typeof name !== "string" || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) {
        return `the value of ${annotation} is no name of a header`;
      }
      if (!primitive.includes(ownMember(at, "type"))) {
        return `${annotation} stands on an argument that is no text, integer or boolean`;
      }
      if (names.has(name.toLowerCase())) return `two arguments have the same ${annotation}`;
      if (names.size === mostHeaders) return `more than ${mostHeaders} arguments have ${annotation}`;
      names.add(name.toLowerCase());
      found.push({ path, header: `mcp-param-${name.toLowerCase()}` });
    }
    return firstOf(Object.entries(at), ([key, value]) => {
      if (values.has(key)) return undefined;
      const isProperties = key === "properties";
      if (!(isProperties || maps.has(key)) || typeof value !== "object" || value === null) {
        return visit(value, undefined);
      }
      return firstOf(Object.entries(value), ([name, one]) =>
        visit(one, isProperties && path ? [...path, name] : undefined),
      );
    });
  };
  return visit(schema, []) ?? found;
}

/** @returns the first result that is one */
function firstOf<T>(list: readonly T[], look: (one: T) => string | undefined): string | undefined {
  for (const one of list) {
    const found = look(one);
    if (found !== undefined) return found;
  }
  return undefined;
}
