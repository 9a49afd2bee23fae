import { expect, test } from "bun:test";
import { ToolHeaders } from "../../src/mcp/eras/tool-headers.ts";

const listOf = (name: string, argument: string) =>
  JSON.stringify({
    result: {
      tools: [{ name, inputSchema: { properties: { [argument]: { type: "string", "x-mcp-header": "region" } } } }],
    },
  });
const headerOf = (headers: ToolHeaders, name: string, argument: string) =>
  headers.headersOf(name, JSON.stringify({ params: { arguments: { [argument]: "here" } } }))["mcp-param-region"];

test("names of any length are remembered up to a limit that all tools share; the latest stay", () => {
  const headers = new ToolHeaders();
  const long = "x".repeat(100_000);
  for (let i = 0; i < 100; i++) headers.learn(listOf(`tool-${i}`, `${long}${i}`));
  const known = Array.from({ length: 100 }, (_, i) => headerOf(headers, `tool-${i}`, `${long}${i}`));
  expect(known.filter((one) => one === "here").length).toBe(41);
  expect(known.slice(-41)).toEqual(Array(41).fill("here"));
});

test("a tool that is listed again does not count twice", () => {
  const headers = new ToolHeaders();
  const long = "x".repeat(1_000_000);
  headers.learn(listOf("first", "where"));
  for (let i = 0; i < 10; i++) headers.learn(listOf("again", long));
  expect([headerOf(headers, "first", "where"), headerOf(headers, "again", long)]).toEqual(["here", "here"]);
});
