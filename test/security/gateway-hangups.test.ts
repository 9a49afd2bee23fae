import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { sharedGateway } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: agents that hang up at the wrong moment fill the gateway's memory and sockets. */

const { sandbox, gateway } = await sharedGateway();
const { url, key, host, pid } = gateway;

/** The gateway's open sockets, to agents and to the host; the system lets nobody but root list a process's files. */
const sockets = () => {
  const ports = [url, sandbox.origin].map((address) => Number(new URL(address).port).toString(16).toUpperCase());
  const timeWait = / 06 /;
  const rows = readFileSync("/proc/net/tcp", "utf8").split("\n");
  return rows.filter((row) => !timeWait.test(row) && ports.some((port) => row.includes(`:${port.padStart(4, "0")} `)))
    .length;
};
const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

/** Sends a request and closes the socket as soon as `when` bytes of an answer came, or without waiting for one. */
function hangUp(bytes: string, afterAnswer: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => {
      socket.write(bytes);
      if (!afterAnswer) setTimeout(() => socket.destroy(), 2);
    });
    socket.once("data", () => socket.destroy());
    socket.on("close", () => resolve());
    socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? resolve() : reject(error)));
  });
}

const whole = `POST /v1/messages HTTP/1.1\r\nHost: ${host}\r\nx-api-key: ${key}\r\nContent-Length: 2\r\n\r\n{}`;
const moments: [string, (n: number) => Promise<void>][] = [
  ["before its headers are whole", () => hangUp(whole.slice(0, 60), false)],
  ["in the middle of its body", () => hangUp(whole.slice(0, -1), false)],
  ["while it waits", () => hangUp(whole, false)],
  ["in the middle of the answer", () => hangUp(whole, true)],
];
for (const [name, once] of cases(moments)) {
  test(`500 agents hang up ${name}: nothing is left of them`, async () => {
    let open = 0;
    sandbox.settings.answer = (_seen, response) =>
      new Promise<void>((resolve) => {
        open++;
        response.on("close", () => {
          open--;
          resolve();
        });
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(`data: ${"x".repeat(10_000)}\n\n`);
      });
    const batch = async (count: number) => {
      for (let n = 0; n < count; n += 25) await Promise.all(Array.from({ length: 25 }, (_, i) => once(n + i)));
    };
    await batch(100); // what the first ones cost once is not what is looked for
    await settled(() => open === 0);
    const before = { sockets: sockets(), memory: memory() };
    await batch(500);
    await settled(() => open === 0 && sockets() <= before.sockets + 10);
    expect(open).toBe(0);
    expect(sockets()).toBeLessThanOrEqual(before.sockets + 10);
    expect(memory() - before.memory).toBeLessThan(16);
    sandbox.settings.answer = undefined;
    const answer = await gateway.post();
    expect(answer.status).toBe(200);
    await answer.arrayBuffer();
  });
}

/** The system raises no event when another process closes its sockets. */
async function settled(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !condition(); tries++) await Bun.sleep(10);
}
