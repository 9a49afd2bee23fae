/**
 * @param value any text
 * @returns it as the value of a header: as it is when it is plain, else in the Base64 form (MCP 2026-07-28, transports, value
 *   encoding), so that no line end or other character of it takes effect in the header
 */
export function encodedHeader(value: string): string {
  const isPlain = /^(?:[!-~](?:[ -~\t]*[!-~])?)?$/.test(value) && !/^=\?base64\?.*\?=$/.test(value);
  return isPlain ? value : `=?base64?${Buffer.from(value).toString("base64")}?=`;
}
