/**
 * The upstream of the gateway's benchmark, in a process of its own: a small answer, a slow event stream, a gigabyte each
 * way, streams held open. The header `x-bench` says which. Prints its port. Loopback only.
 */
const prefix = "/code-assistant-api/v1";
const json = { "content-type": "application/json" };
const small = JSON.stringify({
  id: "msg",
  type: "message",
  role: "assistant",
  content: [{ type: "text", text: "x".repeat(300) }],
});
const models = JSON.stringify([{ base_name: "model", deployment_name: "model", enabled: true, default: true }]);
const piece = new Uint8Array(256 * 1024).fill(120);
const encoder = new TextEncoder();
/** ms since the epoch, with fractions: the same clock in every process of this machine */
const now = () => performance.timeOrigin + performance.now();

/** when the last stream was seen to be given up, by the id its reader chose */
const abandoned = new Map<string, number>();
let open = 0;

function events(count: number, everyMs: number): Response {
  let sent = 0;
  const body = new ReadableStream({
    async pull(controller) {
      if (sent++ === count) return controller.close();
      await Bun.sleep(everyMs);
      controller.enqueue(encoder.encode(`data: ${now()}\n\n`));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

function hold(request: Request, id: string): Response {
  open++;
  request.signal.addEventListener("abort", () => {
    open--;
    abandoned.set(id, now());
  });
  const body = new ReadableStream({ start: (controller) => controller.enqueue(encoder.encode("data: held\n\n")) });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

function download(bytes: number): Response {
  let left = bytes;
  const body = new ReadableStream(
    {
      pull(controller) {
        const next = left > piece.length ? piece : piece.subarray(0, left);
        left -= next.length;
        if (next.length > 0) controller.enqueue(next);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": "application/octet-stream" } });
}

async function upload(request: Request): Promise<Response> {
  let bytes = 0;
  for await (const chunk of request.body ?? []) bytes += chunk.length;
  return Response.json({ bytes });
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  routes: {
    [`${prefix}/messages`]: { POST: new Response(small, { headers: json }) },
    [`${prefix}/llm_models`]: new Response(models, { headers: json }),
    "/oauth2/auth": new Response(null, { status: 202 }),
    "/open": () => Response.json(open),
    "/abandoned/:id": ({ params }) => Response.json(abandoned.get(params.id) ?? null),
  },
  fetch(request) {
    const [what, a = "0", b = "0"] = (request.headers.get("x-bench") ?? "").split(" ");
    if (what === "events") return events(Number(a), Number(b));
    if (what === "hold") return hold(request, a);
    if (what === "download") return download(Number(a));
    if (what === "upload") return upload(request);
    return new Response("no such benchmark", { status: 404 });
  },
});
console.log(server.port);
