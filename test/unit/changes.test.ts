import { expect, test } from "bun:test";
import { Asks } from "../../src/mcp/eras/ask.ts";
import { Changes } from "../../src/mcp/eras/changes.ts";
import type { ModernServer } from "../../src/mcp/eras/modern-server.ts";
import { memberAt } from "../../src/mcp/message.ts";

test("a subscription that the server does not confirm before the client gives up is asked for no longer", async () => {
  const filters: string[] = [];
  const server = {
    send: async ({ text }: { text: string }) => {
      filters.push(memberAt(text, "params", "notifications") ?? "");
      return await new Promise(() => undefined);
    },
  } as unknown as ModernServer;
  const log = { info: () => undefined, debug: () => undefined } as never;
  const capabilities = '{"tools":{"listChanged":true}}';
  const changes = new Changes({
    ...{ server, asks: new Asks({} as never), log, meta: new Map(), capabilities, addresses: [] },
    pass: async () => undefined,
  });
  expect(await changes.add("test://one", Promise.resolve())).toBe(false);
  expect(filters.map((one) => JSON.parse(one))).toEqual([
    { toolsListChanged: true, resourceSubscriptions: ["test://one"] },
    { toolsListChanged: true },
  ]);
  expect([...changes.addresses]).toEqual([]);
  changes.end();
});
