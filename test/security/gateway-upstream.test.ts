import { expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { gatewayWithToken } from "../support/gateway.ts";
import { chunk, event, json, sse } from "../support/raw-host.ts";
import { sharedRawHost } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: a host that breaks off, lies or says nothing makes the agent believe that an answer was whole. */

// with the runtime's own limit on silence as low as it goes: it must not count
const { host, gateway } = await sharedRawHost({ BUN_CONFIG_HTTP_IDLE_TIMEOUT: "1" });

for (const [name, bytes] of cases([
  ["nothing at all", ""],
  ["something that is no HTTP", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["half a head", "HTTP/1.1 200 OK\r\nContent-Ty"],
  ["a status that is none", "HTTP/1.1 banana OK\r\n\r\n"],
  ["a short body", `${json}Content-Length: 100\r\n\r\n{"a":1}`],
] as const)) {
  test(`${name}, then the end: a 502 in the API's words`, async () => {
    host.reply = (socket) => socket.end(bytes);
    const answer = await gateway.post();
    expect(answer.status).toBe(502);
    const body = (await answer.json()) as { request_id: string };
    expect(body).toMatchObject({
      type: "error",
      error: { type: "api_error", message: expect.stringContaining(host.origin) },
    });
    expect(body.request_id).toBe(answer.headers.get("x-request-id") ?? "");
  });
}

for (const [name, bytes, tail] of cases([
  ["half a chunk", `${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`, "20\r\ndata: 2"],
  ["no last chunk", `${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`, ""],
  ["a chunk size that is none", `${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`, "zz\r\n"],
  ["a long body cut short", `${json}Content-Length: 100000\r\n\r\n${event}`, "more"],
] as const)) {
  test(`${name}: what came is passed on, and the end is a broken stream`, async () => {
    host.reply = (socket) => {
      socket.write(bytes);
      setTimeout(() => socket.end(tail), 100);
    };
    const answer = await gateway.post();
    expect(answer.status).toBe(200);
    const reader = answer.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toStartWith(event);
    const rest = async () => {
      for (;;) if ((await reader?.read())?.done) return;
    };
    await expect(rest()).rejects.toThrow();
  });
}

test("a stream without a length that simply ends ends", async () => {
  host.reply = (socket) => socket.end(`${sse}Connection: close\r\n\r\n${event}`);
  expect(await (await gateway.post()).text()).toBe(event);
});

ciTest("silence is survived, before the first byte and between two", async () => {
  // Set to 1, the runtime's limit ends what was silent for 8 s.
  const silenceMs = 9_000;
  const ends = [
    (socket: Socket) =>
      setTimeout(() => socket.write(`${sse}Content-Length: ${event.length}\r\n\r\n${event}`), silenceMs),
    (socket: Socket) => {
      socket.write(`${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`);
      setTimeout(() => socket.write("0\r\n\r\n"), silenceMs);
    },
  ];
  host.reply = (socket) => void ends.pop()?.(socket);
  const answers = await Promise.all([gateway.post(), gateway.post()].map(async (answer) => (await answer).text()));
  expect(answers).toEqual([event, event]);
});

ciTest("with --timeout, silence before the first byte is a 504, and silence after it is not", async () => {
  await using timed = await gatewayWithToken(host.origin, ["--timeout", "1"]);
  host.reply = () => undefined;
  const answer = await timed.post();
  expect([answer.status, (await answer.json()) as unknown]).toEqual([
    504,
    expect.objectContaining({ error: { type: "timeout_error", message: `${host.origin} sent no answer within 1 s` } }),
  ]);
  host.reply = (socket) => {
    socket.write(`${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`);
    setTimeout(() => socket.write(`${chunk}0\r\n\r\n`), 2000);
  };
  expect(await (await timed.post()).text()).toBe(event + event);
});

test("interim answers and odd statuses do not confuse it", async () => {
  host.reply = (socket) =>
    socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${json}Content-Length: 2\r\n\r\n{}`);
  expect(await (await gateway.post()).text()).toBe("{}");
  for (const status of [204, 418, 529]) {
    host.reply = (socket) =>
      socket.write(`HTTP/1.1 ${status} X\r\n${status === 204 ? "" : "Content-Length: 0\r\n"}\r\n`);
    expect((await gateway.post()).status).toBe(status);
  }
});

ciTest("64 MB read slowly arrive byte for byte", async () => {
  const data = randomBytes(64 * 1024 * 1024);
  host.reply = (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${data.length}\r\n\r\n`);
    socket.write(data);
  };
  const hash = createHash("sha256");
  const answer = await gateway.post();
  let pieces = 0;
  for await (const piece of answer.body ?? []) {
    hash.update(piece);
    if (++pieces % 50 === 0) await Bun.sleep(10);
  }
  expect(hash.digest("hex")).toBe(createHash("sha256").update(data).digest("hex"));
});

test("an answer that ends with its connection arrives whole at a slow reader", async () => {
  const data = randomBytes(16 * 1024 * 1024);
  host.reply = (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n");
    socket.end(data);
  };
  const hash = createHash("sha256");
  let pieces = 0;
  for await (const piece of (await gateway.post()).body ?? []) {
    hash.update(piece);
    if (++pieces % 20 === 0) await Bun.sleep(5);
  }
  expect(hash.digest("hex")).toBe(createHash("sha256").update(data).digest("hex"));
});

test("a body without a length that ends with a reset is broken", async () => {
  const replied = Promise.withResolvers<Socket>();
  host.reply = (socket) => {
    socket.write(`${sse}\r\n${event}`);
    replied.resolve(socket);
  };
  const reader = (await gateway.post()).body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(event);
  // Not before: a reset takes along what its receiver has not read.
  (await replied.promise).resetAndDestroy();
  await expect(reader?.read()).rejects.toThrow();
});

test("a 401 that breaks off, or whose reader leaves, ends one request and not the gateway", async () => {
  const begin = `HTTP/1.1 401 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n`;
  const works = async (where = gateway) => {
    host.reply = (socket) => socket.write(`${json}Content-Length: 2\r\n\r\n{}`);
    expect(await (await where.post()).text()).toBe("{}");
  };
  for (const tail of ["", "zz\r\n"]) {
    host.reply = (socket) => {
      socket.write(begin);
      setTimeout(() => (tail ? socket.write(tail) : socket.destroy()), 30);
    };
    expect((await gateway.post()).status).toBe(502);
    await works();
  }
  host.reply = (socket) => void socket.write(begin);
  await expect(gateway.post({ signal: AbortSignal.timeout(100) })).rejects.toThrow();
  await works();
  await using timed = await gatewayWithToken(host.origin, ["--timeout", "1"]);
  host.reply = (socket) => void socket.write(begin);
  expect((await timed.post()).status).toBe(504);
  await works(timed);
  await timed.stopQuietly();
});

test("a status that no answer can have is a 502, and leaves no connection behind", async () => {
  for (const status of [600, 999]) {
    const gone = Promise.withResolvers<void>();
    host.reply = (socket) => {
      socket.on("close", () => gone.resolve());
      socket.write(`HTTP/1.1 ${status} X\r\nContent-Type: text/event-stream\r\n\r\n${event}`);
    };
    expect((await gateway.post()).status).toBe(502);
    await gone.promise;
  }
});

test("answers that two parsers could read differently are refused", async () => {
  const chunks = "Transfer-Encoding: chunked\r\n";
  for (const head of [
    `${json}Content-Length: 5\r\n${chunks}\r\n0\r\n\r\n`,
    `${json}Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello`,
    `${json}Content-Length: 5, 5\r\n\r\nhello`,
    `${json}Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n`,
    `${json}Content-Length : 5\r\n\r\nhello`,
    `${json}X-A: 1\r\n Content-Length: 5\r\n\r\nhello`,
    `${json}X-A: 1\nContent-Length: 5\r\n\r\nhello`,
    `HTTP/1.1 101 x\r\nUpgrade: x\r\n\r\n`,
    `${json}X-A: ${"x".repeat(300_000)}\r\nContent-Length: 0\r\n\r\n`,
  ]) {
    host.reply = (socket) => socket.write(head);
    const answer = await gateway.post();
    expect({ head: head.slice(0, 120), status: answer.status }).toEqual({ head: head.slice(0, 120), status: 502 });
    expect(await answer.json()).toMatchObject({ error: { message: expect.stringContaining("is not valid HTTP: ") } });
  }
  host.reply = (socket) => socket.write(`${json}Content-Length: 5\r\n${chunks}\r\n0\r\n\r\n`);
  expect(await (await gateway.post()).text()).toContain("it has a length beside chunks");
});
