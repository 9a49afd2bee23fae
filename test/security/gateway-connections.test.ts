import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { sendRaw } from "../support/raw.ts";
import { chunk, json, sse } from "../support/raw-host.ts";
import { sharedRawHost } from "../support/shared.ts";

/** Threat: on a connection that is kept, or breaks, an agent gets another's answer, or its request is carried out twice. */

const { host, gateway } = await sharedRawHost();

test("a second answer behind the first goes to nobody", async () => {
  host.reply = (socket) => socket.write(`${json}Content-Length: 2\r\n\r\n{}${json}Content-Length: 6\r\n\r\n"evil"`);
  expect(await (await gateway.post()).text()).toBe("{}");
  host.reply = (socket) => socket.write(`${json}Content-Length: 3\r\n\r\n"2"`);
  expect(await (await gateway.post()).text()).toBe('"2"');
});

test("a request is not sent twice once an answer has begun", async () => {
  host.reply = (socket) => {
    socket.write(`${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`);
    setTimeout(() => socket.destroy(), 50);
  };
  await gateway
    .post()
    .then((answer) => answer.text())
    .catch(() => undefined);
  expect(host.requests).toBe(1);
});

test("a connection that had to wait for a slow reader answers the next request", async () => {
  const data = randomBytes(16 * 1024 * 1024);
  for (let round = 0; round < 3; round++) {
    host.reply = (socket) => {
      socket.write(`${json}Content-Length: ${data.length}\r\n\r\n`);
      socket.write(data);
    };
    let got = 0;
    for await (const piece of (await gateway.post()).body ?? []) {
      got += piece.length;
      if (got % 7 === 0) await Bun.sleep(1);
    }
    expect(got).toBe(data.length);
    host.reply = (socket) => socket.write(`${json}Content-Length: 2\r\n\r\n{}`);
    expect(await (await gateway.post()).text()).toBe("{}");
  }
});

test("a kept connection that the host closes costs no request; one that was just made is not tried again", async () => {
  const answer = (socket: Socket) => socket.write(`${json}Content-Length: 2\r\n\r\n{}`);
  host.reply = (socket) => {
    answer(socket);
    // the next request comes to a connection that is closed under it
    host.reply = (again) => {
      expect(again).toBe(socket);
      again.destroy();
      host.reply = answer;
    };
  };
  for (let n = 0; n < 2; n++) expect(await (await gateway.post()).text()).toBe("{}");
  expect(host.requests).toBe(3);
  host.dropAll();
  await Bun.sleep(50);
  host.reply = (socket) => socket.destroy();
  expect((await gateway.post()).status).toBe(502);
  expect(host.requests).toBe(4);
});

test("a request that the host had time to work on is not sent again, kept connection or not", async () => {
  const answer = (socket: Socket) => socket.write(`${json}Content-Length: 2\r\n\r\n{}`);
  host.reply = answer;
  expect((await gateway.post()).status).toBe(200);
  host.reply = (socket) => {
    host.reply = answer;
    setTimeout(() => socket.end(), 1_500);
  };
  expect((await gateway.post()).status).toBe(502);
  expect(host.requests).toBe(2);
});

test("what the host says unasked on a kept connection is nobody's answer", async () => {
  const evil = `${json}Content-Length: 6\r\n\r\n"evil"`;
  const said = Promise.withResolvers<void>();
  host.reply = (socket) => {
    socket.write(`${json}Content-Length: 2\r\n\r\n{}`);
    setTimeout(() => socket.write(evil, () => said.resolve()), 30);
  };
  expect(await (await gateway.post()).text()).toBe("{}");
  await said.promise;
  host.reply = (socket) => socket.write(`${json}Content-Length: 3\r\n\r\n"2"`);
  for (let n = 0; n < 3; n++) expect(await (await gateway.post()).text()).toBe('"2"');
});

test("an answer that comes before the whole request was sent is passed on, and its connection not used again", async () => {
  const first = Promise.withResolvers<Socket>();
  host.reply = (socket) => {
    first.resolve(socket);
    socket.write(`HTTP/1.1 413 x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
    host.reply = (other) => {
      expect(other).not.toBe(socket);
      other.write(`${json}Content-Length: 2\r\n\r\n{}`);
    };
  };
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(new Uint8Array(1000));
      await first.promise;
      await Bun.sleep(50);
      controller.close();
    },
  });
  const answer = await gateway.post({ body });
  expect([answer.status, await answer.text()]).toEqual([413, "{}"]);
  expect((await gateway.post()).status).toBe(200);
});

test("an agent that hangs up in the middle of its upload leaves no request behind", async () => {
  const gone = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  host.reply = (socket) => {
    socket.on("close", () => gone.resolve());
    begun.resolve();
  };
  const controller = new AbortController();
  const body = new ReadableStream({ start: (stream) => stream.enqueue(new Uint8Array(1000)) });
  const sent = gateway.post({ body, signal: controller.signal });
  sent.catch(() => undefined);
  await begun.promise;
  controller.abort();
  await gone.promise;
});

test("garbage does not stop it from working", async () => {
  host.reply = (socket) => socket.end(`${json}Content-Length: 2\r\n\r\n{}`);
  expect((await sendRaw(gateway.url, "\0\0\0\0garbage\r\n\r\n")).statuses.every((status) => status === 400)).toBe(true);
  expect(await (await gateway.post()).text()).toBe("{}");
});
