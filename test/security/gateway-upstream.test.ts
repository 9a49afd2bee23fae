import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { Person } from "../support/codemie.ts";
import { listening } from "../support/corporate.ts";
import { Probe } from "../support/probe.ts";
import { sendRaw } from "../support/raw.ts";

/** Threat: a host that breaks off, lies or says nothing makes the agent believe that an answer was whole. */

type Reply = (socket: Socket, request: string) => void;

/** A host that answers model calls with whatever bytes a test wants, and knows its models. */
let reply: Reply;
let requests = 0;
let origin = "";
const sockets = new Set<Socket>();
const host = createServer((socket) => {
  sockets.add(socket);
  socket.on("error", () => undefined);
  let text = "";
  socket.on("data", (data) => {
    text += data.toString("latin1");
    if (!text.includes("\r\n\r\n")) return;
    const request = text;
    text = "";
    if (request.startsWith("GET /code-assistant-api/v1/llm_models")) {
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]");
      return;
    }
    requests++;
    reply(socket, request);
  });
});

let probe: Probe;
let url = "";
let key = "";
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const token = `${part({ alg: "RS256" })}.${part({ sub: "ada" })}.c2lnbmF0dXJl`;
const start = async (args: readonly string[] = [], env: Record<string, string> = {}) => {
  const started = new Probe(new Person(), ["--base-url", origin, ...args], { CODEMIE_JWT_TOKEN: token, ...env });
  return { probe: started, ...(await started.started()) };
};
beforeAll(async () => {
  origin = `http://127.0.0.1:${await listening(host)}`;
  // with the runtime's own limit on silence as low as it goes: it must not count
  ({ probe, url, key } = await start([], { BUN_CONFIG_HTTP_IDLE_TIMEOUT: "1" }));
});
beforeEach(() => {
  requests = 0;
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});
afterAll(async () => {
  const { err } = await probe.stop();
  host.close();
  // an agent owns the screen: whatever broke on the way, nothing was printed into it
  expect(err.split("\n").filter((line) => line && !line.startsWith("codemie ·"))).toEqual([]);
});

const post = (init: RequestInit = {}, where = { url, key }) =>
  fetch(`${where.url}/v1/messages`, { method: "POST", body: "{}", headers: { "x-api-key": where.key }, ...init });

const json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
const sse = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
const event = "data: 1\n\n";
const chunk = `${event.length.toString(16)}\r\n${event}\r\n`;

for (const [name, bytes] of [
  ["nothing at all", ""],
  ["something that is no HTTP", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["half a head", "HTTP/1.1 200 OK\r\nContent-Ty"],
  ["a status that is none", "HTTP/1.1 banana OK\r\n\r\n"],
  ["a short body", `${json}Content-Length: 100\r\n\r\n{"a":1}`],
] as const) {
  test(`${name}, then the end: a 502 in the API's words`, async () => {
    reply = (socket) => socket.end(bytes);
    const answer = await post();
    expect(answer.status).toBe(502);
    const body = (await answer.json()) as { request_id: string };
    expect(body).toMatchObject({
      type: "error",
      error: { type: "api_error", message: expect.stringContaining(origin) },
    });
    expect(body.request_id).toBe(answer.headers.get("x-request-id") ?? "");
  });
}

for (const [name, bytes, tail] of [
  ["half a chunk", `${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`, "20\r\ndata: 2"],
  ["no last chunk", `${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`, ""],
  ["a chunk size that is none", `${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`, "zz\r\n"],
  ["a long body cut short", `${json}Content-Length: 100000\r\n\r\n${event}`, "more"],
] as const) {
  test(`${name}: what came is passed on, and the end is a broken stream`, async () => {
    reply = (socket) => {
      socket.write(bytes);
      setTimeout(() => socket.end(tail), 100);
    };
    const answer = await post();
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
  reply = (socket) => socket.end(`${sse}Connection: close\r\n\r\n${event}`);
  expect(await (await post()).text()).toBe(event);
});

test("a second answer behind the first goes to nobody", async () => {
  reply = (socket) => socket.write(`${json}Content-Length: 2\r\n\r\n{}${json}Content-Length: 6\r\n\r\n"evil"`);
  expect(await (await post()).text()).toBe("{}");
  reply = (socket) => socket.write(`${json}Content-Length: 3\r\n\r\n"2"`);
  expect(await (await post()).text()).toBe('"2"');
});

test("silence is survived, before the first byte and between two", async () => {
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
  reply = (socket) => void ends.pop()?.(socket);
  const answers = await Promise.all([post(), post()].map(async (answer) => (await answer).text()));
  expect(answers).toEqual([event, event]);
});

test("with --timeout, silence before the first byte is a 504, and silence after it is not", async () => {
  const timed = await start(["--timeout", "1"]);
  reply = () => undefined;
  const answer = await post({}, timed);
  expect([answer.status, (await answer.json()) as unknown]).toEqual([
    504,
    expect.objectContaining({ error: { type: "timeout_error", message: `${origin} sent no answer within 1 s` } }),
  ]);
  reply = (socket) => {
    socket.write(`${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`);
    setTimeout(() => socket.write(`${chunk}0\r\n\r\n`), 2000);
  };
  expect(await (await post({}, timed)).text()).toBe(event + event);
  await timed.probe.stop();
});

test("a request is not sent twice once an answer has begun", async () => {
  reply = (socket) => {
    socket.write(`${sse}Transfer-Encoding: chunked\r\n\r\n${chunk}`);
    setTimeout(() => socket.destroy(), 50);
  };
  await post()
    .then((answer) => answer.text())
    .catch(() => undefined);
  expect(requests).toBe(1);
});

test("interim answers and odd statuses do not confuse it", async () => {
  reply = (socket) => socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${json}Content-Length: 2\r\n\r\n{}`);
  expect(await (await post()).text()).toBe("{}");
  for (const status of [204, 418, 529]) {
    reply = (socket) => socket.write(`HTTP/1.1 ${status} X\r\n${status === 204 ? "" : "Content-Length: 0\r\n"}\r\n`);
    expect((await post()).status).toBe(status);
  }
});

test("64 MB read slowly arrive byte for byte", async () => {
  const data = randomBytes(64 * 1024 * 1024);
  reply = (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${data.length}\r\n\r\n`);
    socket.write(data);
  };
  const hash = createHash("sha256");
  const answer = await post();
  let pieces = 0;
  for await (const piece of answer.body ?? []) {
    hash.update(piece);
    if (++pieces % 50 === 0) await Bun.sleep(10);
  }
  expect(hash.digest("hex")).toBe(createHash("sha256").update(data).digest("hex"));
});

test("a connection that had to wait for a slow reader answers the next request", async () => {
  const data = randomBytes(16 * 1024 * 1024);
  for (let round = 0; round < 3; round++) {
    reply = (socket) => {
      socket.write(`${json}Content-Length: ${data.length}\r\n\r\n`);
      socket.write(data);
    };
    let got = 0;
    for await (const piece of (await post()).body ?? []) {
      got += piece.length;
      if (got % 7 === 0) await Bun.sleep(1);
    }
    expect(got).toBe(data.length);
    reply = (socket) => socket.write(`${json}Content-Length: 2\r\n\r\n{}`);
    expect(await (await post()).text()).toBe("{}");
  }
});

test("an answer that ends with its connection arrives whole at a slow reader", async () => {
  const data = randomBytes(16 * 1024 * 1024);
  reply = (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n");
    socket.end(data);
  };
  const hash = createHash("sha256");
  let pieces = 0;
  for await (const piece of (await post()).body ?? []) {
    hash.update(piece);
    if (++pieces % 20 === 0) await Bun.sleep(5);
  }
  expect(hash.digest("hex")).toBe(createHash("sha256").update(data).digest("hex"));
});

test("a kept connection that the host closes costs no request; one that was just made is not tried again", async () => {
  const answer = (socket: Socket) => socket.write(`${json}Content-Length: 2\r\n\r\n{}`);
  reply = (socket) => {
    answer(socket);
    // the next request comes to a connection that is closed under it
    reply = (again) => {
      expect(again).toBe(socket);
      again.destroy();
      reply = answer;
    };
  };
  for (let n = 0; n < 2; n++) expect(await (await post()).text()).toBe("{}");
  expect(requests).toBe(3);
  for (const socket of sockets) socket.destroy();
  await Bun.sleep(50);
  reply = (socket) => socket.destroy();
  expect((await post()).status).toBe(502);
  expect(requests).toBe(4);
});

test("a request that the host had time to work on is not sent again, kept connection or not", async () => {
  const answer = (socket: Socket) => socket.write(`${json}Content-Length: 2\r\n\r\n{}`);
  reply = answer;
  expect((await post()).status).toBe(200);
  reply = (socket) => {
    reply = answer;
    setTimeout(() => socket.end(), 1_500);
  };
  expect((await post()).status).toBe(502);
  expect(requests).toBe(2);
});

test("a body without a length that ends with a reset is broken", async () => {
  reply = (socket) => {
    socket.write(`${sse}\r\n${event}`);
    setTimeout(() => socket.resetAndDestroy(), 50);
  };
  const answer = await post();
  await expect(answer.text()).rejects.toThrow();
});

test("a 401 that breaks off, or whose reader leaves, ends one request and not the gateway", async () => {
  const begin = `HTTP/1.1 401 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n`;
  const works = async (where = { url, key }) => {
    reply = (socket) => socket.write(`${json}Content-Length: 2\r\n\r\n{}`);
    expect(await (await post({}, where)).text()).toBe("{}");
  };
  for (const tail of ["", "zz\r\n"]) {
    reply = (socket) => {
      socket.write(begin);
      setTimeout(() => (tail ? socket.write(tail) : socket.destroy()), 30);
    };
    expect((await post()).status).toBe(502);
    await works();
  }
  reply = (socket) => void socket.write(begin);
  await expect(post({ signal: AbortSignal.timeout(100) })).rejects.toThrow();
  await works();
  const timed = await start(["--timeout", "1"]);
  reply = (socket) => void socket.write(begin);
  expect((await post({}, timed)).status).toBe(504);
  await works(timed);
  const { err } = await timed.probe.stop();
  expect(err.split("\n").filter((line) => line && !line.startsWith("codemie ·"))).toEqual([]);
});

test("a status that no answer can have is a 502, and leaves no connection behind", async () => {
  for (const status of [600, 999]) {
    const gone = Promise.withResolvers<void>();
    reply = (socket) => {
      socket.on("close", () => gone.resolve());
      socket.write(`HTTP/1.1 ${status} X\r\nContent-Type: text/event-stream\r\n\r\n${event}`);
    };
    expect((await post()).status).toBe(502);
    await gone.promise;
  }
});

test("what the host says unasked on a kept connection is nobody's answer", async () => {
  const evil = `${json}Content-Length: 6\r\n\r\n"evil"`;
  const said = Promise.withResolvers<void>();
  reply = (socket) => {
    socket.write(`${json}Content-Length: 2\r\n\r\n{}`);
    setTimeout(() => socket.write(evil, () => said.resolve()), 30);
  };
  expect(await (await post()).text()).toBe("{}");
  await said.promise;
  reply = (socket) => socket.write(`${json}Content-Length: 3\r\n\r\n"2"`);
  for (let n = 0; n < 3; n++) expect(await (await post()).text()).toBe('"2"');
});

test("an answer that comes before the whole request was sent is passed on, and its connection not used again", async () => {
  const first = Promise.withResolvers<Socket>();
  reply = (socket) => {
    first.resolve(socket);
    socket.write(`HTTP/1.1 413 x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
    reply = (other) => {
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
  const answer = await post({ body });
  expect([answer.status, await answer.text()]).toEqual([413, "{}"]);
  expect((await post()).status).toBe(200);
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
    reply = (socket) => socket.write(head);
    const answer = await post();
    expect({ head: head.slice(0, 120), status: answer.status }).toEqual({ head: head.slice(0, 120), status: 502 });
    expect(await answer.json()).toMatchObject({ error: { message: expect.stringContaining("not HTTP") } });
  }
});

test("an agent that hangs up in the middle of its upload leaves no request behind", async () => {
  const gone = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  reply = (socket) => {
    socket.on("close", () => gone.resolve());
    begun.resolve();
  };
  const controller = new AbortController();
  const body = new ReadableStream({ start: (stream) => stream.enqueue(new Uint8Array(1000)) });
  const sent = post({ body, signal: controller.signal });
  sent.catch(() => undefined);
  await begun.promise;
  controller.abort();
  await gone.promise;
});

test("garbage does not stop it from working", async () => {
  reply = (socket) => socket.end(`${json}Content-Length: 2\r\n\r\n{}`);
  expect((await sendRaw(url, "\0\0\0\0garbage\r\n\r\n")).statuses.every((status) => status === 400)).toBe(true);
  expect(await (await post()).text()).toBe("{}");
});
