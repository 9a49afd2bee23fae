import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { sharedGateway } from "../support/shared.ts";

const { sandbox, gateway } = await sharedGateway();

test("events arrive one by one, as they are sent", async () => {
  let next = Promise.withResolvers<void>();
  sandbox.settings.answer = async (_seen, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let n = 0; n < 5; n++) {
      response.write(`data: ${n}\n\n`);
      await next.promise;
      next = Promise.withResolvers();
    }
    response.end();
  };
  const reader = (await gateway.post()).body?.getReader();
  for (let n = 0; n < 5; n++) {
    const { value } = (await reader?.read()) ?? {};
    expect(new TextDecoder().decode(value)).toBe(`data: ${n}\n\n`);
    next.resolve();
  }
  expect((await reader?.read())?.done).toBe(true);
});

test("a compressed answer stays compressed, byte for byte", async () => {
  const zipped = gzipSync("hello ".repeat(1000));
  sandbox.settings.answer = (_seen, response) => {
    response.writeHead(200, { "content-encoding": "gzip", "content-type": "application/json" });
    response.end(zipped);
  };
  const headers = { "accept-encoding": "gzip" };
  const answer = await gateway.post({ headers, decompress: false } as RequestInit);
  expect(answer.headers.get("content-encoding")).toBe("gzip");
  expect(Buffer.from(await answer.arrayBuffer()).equals(zipped)).toBe(true);
});

test("a large body goes up whole", async () => {
  sandbox.settings.answer = (seen, response) => void response.end(String(seen.body.length));
  expect(await (await gateway.post({ body: "x".repeat(20_000_000) })).text()).toBe("20000000");
});

test("the agent's hanging up reaches the host at once", async () => {
  for (const firstByte of [false, true]) {
    const gone = Promise.withResolvers<number>();
    const arrived = Promise.withResolvers<void>();
    sandbox.settings.answer = (_seen, response) =>
      new Promise<void>((resolve) => {
        if (firstByte) {
          response.writeHead(200, { "content-type": "text/event-stream" });
          response.write("data: 1\n\n");
        }
        arrived.resolve();
        response.on("close", () => {
          gone.resolve(performance.now());
          resolve();
        });
      });
    const controller = new AbortController();
    const answer = gateway.post({ signal: controller.signal }).then((got) => got.text());
    answer.catch(() => undefined);
    await arrived.promise;
    if (firstByte) await Bun.sleep(20);
    const left = performance.now();
    controller.abort();
    expect((await gone.promise) - left).toBeLessThan(1000);
  }
});

test("an answer that breaks off breaks off for the agent too", async () => {
  const read = Promise.withResolvers<void>();
  sandbox.settings.answer = async (_seen, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: 1\n\n");
    await read.promise;
    response.destroy();
  };
  const answer = await gateway.post();
  expect(answer.status).toBe(200);
  const reader = answer.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("data: 1\n\n");
  read.resolve();
  await expect(reader?.read() ?? Promise.resolve()).rejects.toThrow();
});

test("a host that is gone is a 502 that says so", async () => {
  sandbox.settings.answer = (_seen, response) => void response.destroy();
  const answer = await gateway.post();
  expect(answer.status).toBe(502);
  expect(await answer.json()).toMatchObject({ error: { message: expect.stringContaining(sandbox.origin) } });
});
