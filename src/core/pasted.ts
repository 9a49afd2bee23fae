import { printable } from "./text.ts";

/** Pairs of quotes that people, shells and editors put around a value. */
const quotes: readonly (readonly [string, string])[] = [
  ['"', '"'],
  ["'", "'"],
  ["`", "`"],
  ["“", "”"],
  ["‘", "’"],
];

/**
 * Takes off what comes along when a value is copied: a byte order mark, white space, line ends, one pair of quotes.
 *
 * @param text a key, a token, an address, as a person, a file or a variable gives it
 * @returns the value itself
 */
export function pasted(text: string): string {
  const value = text.trim(); // takes off a byte order mark too
  const isQuoted = quotes.some(([open, close]) => value.length > 1 && value.startsWith(open) && value.endsWith(close));
  return isQuoted ? value.slice(1, -1).trim() : value;
}

/** @returns a key or token as {@link pasted}, without the words before it in a header */
export function pastedSecret(text: string): string {
  const value = pasted(text).replace(/^authorization: */i, "");
  return pasted(/^bearer[ \t]/i.test(value) ? value.slice("bearer ".length) : value);
}

/** @returns a clause about an address that is a JSON Web Token; undefined for any other. Nobody is to look its name up */
export const tokenForAddress = (text: string): string | undefined =>
  /^(?:[a-z]+:\/\/)?eyJ[\w-]{8}/i.test(text) ? "it is a token, and no address" : undefined;

/** A variable that nobody replaced by its value: of a shell, of cmd, of a template or a CI system. */
const unreplaced = /^(?:\$\w+|\$\{[^{}]*\}|\$\([^()]*\)|%\w+%|\$?\{\{[^{}]*\}\})$/;
/** Signs that stand for a secret where nobody may see it. */
const mask = /^(?:\*+|•+|x{3,}|\[redacted\]|\[masked\]|<[^<>]*>)$/i;

/**
 * @param value as {@link pasted} returns it
 * @returns a clause about a value that only stands for one, for example `it is $NAME, and nothing replaced that by its value`;
 *   undefined for any other
 */
export function placeholder(value: string): string | undefined {
  if (unreplaced.test(value)) return `it is ${printable(value, 60)}, and nothing replaced that by its value`;
  return mask.test(value)
    ? `it is ${printable(value, 60)}, which stands for the value and is not the value`
    : undefined;
}
