import { expect, test } from "bun:test";
import { Asks } from "../../src/mcp/eras/ask.ts";
import { Changes } from "../../src/mcp/eras/changes.ts";
import type { ModernServer } from "../../src/mcp/eras/modern-server.ts";
import { memberAt } from "../../src/mcp/message.ts";

/** @param send takes the filter of each stream that is opened, and what ends it */
function changesAt(
  send: (filter: Filter, tell: (text: string) => void, ended: AbortSignal) => Promise<unknown>,
): Changes {
  const server = {
    send: ({ text, other, signal }: { text: string; other: (text: string) => void; signal: AbortSignal }) =>
      send(JSON.parse(memberAt(text, "params", "notifications") ?? "{}"), other, signal),
  } as unknown as ModernServer;
  const log = { info: () => undefined, debug: () => undefined } as never;
  const capabilities = '{"tools":{"listChanged":true}}';
  return new Changes({
    ...{ server, asks: new Asks({} as never), log, meta: new Map(), capabilities, addresses: [] },
    pass: async () => undefined,
  });
}

interface Filter {
  readonly toolsListChanged?: boolean;
  readonly resourceSubscriptions?: readonly string[];
}

const never = () => new Promise<never>(() => undefined);

test("a subscription that the server does not confirm before the client gives up is asked for no longer", async () => {
  const filters: Filter[] = [];
  const changes = changesAt(async (filter) => {
    filters.push(filter);
    return await never();
  });
  expect(await changes.add("test://one", Promise.resolve())).toBe(false);
  expect(filters).toEqual([
    { toolsListChanged: true, resourceSubscriptions: ["test://one"] },
    { toolsListChanged: true },
  ]);
  expect([...changes.addresses]).toEqual([]);
  changes.end();
});

test("two subscriptions at once, of which the second's stream takes the place of the first's: both stand", async () => {
  const changes = changesAt(async (filter, tell, ended) => {
    const over = new Promise((resolve) => ended.addEventListener("abort", () => resolve({ kind: "done" })));
    if (filter.resourceSubscriptions?.length === 2) {
      const params = JSON.stringify({ notifications: filter });
      tell(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":${params}}`);
    }
    return await over;
  });
  const both = ["test://one", "test://two"].map((uri) => changes.add(uri, never()));
  expect(await Promise.all(both)).toEqual([true, true]);
  expect([...changes.addresses]).toEqual(["test://one", "test://two"]);
  changes.end();
});
