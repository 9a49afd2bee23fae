import { placeholder } from "../../core/pasted.ts";
import { headerSafe } from "../../core/text.ts";
import { bridgeFailure } from "./failures.ts";

/** A name, a colon, and the rest, blanks at its ends included: a run for them would share them with the rest. */
const headerLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*:(.*)$/s;
/** `${NAME}` and `${NAME:-default}`, as agents' configurations spell variables. */
const variables = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}/g;

/**
 * Reads the headers of the command line.
 *
 * @param values of `--header` and `--header-env`
 * @param lookup looks up an environment variable
 * @returns the headers, with the values of variables filled in
 * @throws usage errors; none repeats a value
 */
export function readHeaders(
  values: { readonly header?: string[]; readonly "header-env"?: string[] },
  lookup: (name: string) => string | undefined,
): Headers {
  const headers = new Headers();
  for (const line of values.header ?? []) {
    const [, name, raw] = headerLine.exec(line) ?? [];
    if (!name || raw === undefined) throw bridgeFailure.badHeader();
    const filled = raw.replace(variables, (_, variable: string, standard: string | undefined) => {
      const found = lookup(variable) || standard;
      if (found === undefined) throw bridgeFailure.headerVariableUnset("--header", name, variable);
      return found;
    });
    if (filled.includes("${") || isLeftOver(filled)) throw bridgeFailure.headerNotFilled(name);
    add(headers, "--header", name, filled);
  }
  for (const line of values["header-env"] ?? []) {
    const [, name, raw = ""] = headerLine.exec(line) ?? [];
    const [, before = "", variable] = /^(.*\s)?([A-Za-z_][A-Za-z0-9_]*)\s*$/s.exec(raw) ?? [];
    if (!name || !variable) throw bridgeFailure.badHeaderEnv();
    const found = lookup(variable);
    if (!found) throw bridgeFailure.headerVariableUnset("--header-env", name, variable);
    add(headers, "--header-env", name, before + found);
  }
  return headers;
}

/**
 * @param text of a header file: one header a line; empty lines and those that begin with `#` are left out
 * @param file its name, for the error
 * @throws usage errors; none repeats a line
 */
export function headersOf(text: string, file: string): Headers {
  const headers = new Headers();
  for (const [i, line] of text
    .replace(/^\ufeff/, "")
    .split(/\r\n|\r|\n/)
    .entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, name, value] = headerLine.exec(line) ?? [];
    if (!name || value === undefined) throw bridgeFailure.badHeaderFile(file, i + 1);
    add(headers, "--header-file", name, value);
  }
  return headers;
}

function add(headers: Headers, flag: string, name: string, value: string): void {
  const text = value.trim();
  // A client put the empty value of an unset variable here.
  if (/^authorization$/i.test(name) && /^(?:bearer|basic|token)?$/i.test(text)) throw bridgeFailure.noCredential(flag);
  const safe = headerSafe(text);
  if (safe === undefined) throw bridgeFailure.unsendable(flag, name);
  headers.append(name, safe);
}

/** @returns true for a value that only names a variable, with or without a scheme before it: `Bearer $TOKEN`, `%TOKEN%` */
const isLeftOver = (value: string) =>
  placeholder(value.trim().replace(/^(?:bearer|basic|token)\s+/i, "")) !== undefined;
