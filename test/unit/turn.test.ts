import { expect, test } from "bun:test";
import { Slots } from "../../src/mcp/slots.ts";
import { Turn } from "../../src/mcp/turn.ts";

const forEver = new AbortController().signal;
const large = 1_000_000;

test("large messages take turns in their order; small ones and those that became small need none", async () => {
  const slots = new Slots(1);
  const [first, second, third, small] = [forEver, forEver, forEver, forEver].map((signal) => new Turn(slots, signal));
  const order: string[] = [];
  await first?.holds(large);
  await first?.holds(2 * large);
  const waiting = [second, third].map((turn, i) => turn?.holds(large).then(() => order.push(`${i}`)));
  await small?.holds(100);
  expect(order).toEqual([]);
  await first?.holds(0);
  await waiting[0];
  expect(order).toEqual(["0"]);
  second?.end();
  second?.end();
  await waiting[1];
  expect(order).toEqual(["0", "1"]);
  const fourth = first?.holds(large);
  third?.end();
  await fourth;
});

test("one that gives up while it waits takes nobody's turn", async () => {
  const slots = new Slots(1);
  const [first, last] = [new Turn(slots, forEver), new Turn(slots, forEver)];
  const stop = new AbortController();
  const gone = new Turn(slots, stop.signal);
  await first.holds(large);
  const given = gone.holds(large);
  const next = last.holds(large);
  stop.abort("enough");
  expect(await given.catch((reason: unknown) => reason)).toBe("enough");
  gone.end();
  first.end();
  await next;
  expect(await gone.holds(large).catch((reason: unknown) => reason)).toBe("enough");
});
