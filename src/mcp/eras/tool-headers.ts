import { memberAt } from "../message.ts";
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

  /**
   * Learns from an answer to `tools/list`.
   *
   * @returns the answer without the tools whose annotation is not allowed, and those tools
   */
  learn(answer: string): { readonly text: string; readonly leftOut: readonly LeftOut[] } {
    if (this.#byTool.size === 0 && !answer.includes(annotation)) return { text: answer, leftOut: [] };
    const message = JSON.parse(answer);
    const tools: unknown = message.result?.tools;
    if (!Array.isArray(tools)) return { text: answer, leftOut: [] };
    const leftOut: LeftOut[] = [];
    const kept = tools.filter((tool) => {
      const name = tool?.name;
      if (typeof name !== "string") return true;
      const found = mirroredIn(tool.inputSchema);
      if (typeof found === "string") leftOut.push({ name, why: found });
      else if (found.length > 0) this.#byTool.set(name, found);
      if (typeof found === "string" || found.length === 0) this.#byTool.delete(name);
      return typeof found !== "string";
    });
    if (leftOut.length === 0) return { text: answer, leftOut };
    return { text: JSON.stringify({ ...message, result: { ...message.result, tools: kept } }), leftOut };
  }

  /** @returns the headers for a call, as {@link ToolHeaders} knows its tool */
  headersOf(tool: string, call: string): Record<string, string> {
    const mirrored = this.#byTool.get(tool);
    if (!mirrored) return {};
    const given: unknown = JSON.parse(memberAt(call, "params", "arguments") ?? "null");
    return Object.fromEntries(
      mirrored.flatMap(({ path, header }) => {
        const value = path.reduce<unknown>((at, name) => ownMember(at, name), given);
        const isPlain = ["string", "number", "boolean"].includes(typeof value);
        return isPlain ? [[header, encodedHeader(String(value))]] : [];
      }),
    );
  }
}

const ownMember = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name) ? Object(value)[name] : undefined;

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
