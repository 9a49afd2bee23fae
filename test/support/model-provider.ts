import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { readRequest, type Seen, sendJson } from "./sandbox/http.ts";

/** The forms of model APIs that a key opens; the real ones are not to be had without an account. */
export type Form = "openai" | "anthropic" | "azure" | "litellm";

export interface ModelProvider {
  readonly origin: string;
  /** where its API begins */
  readonly api: string;
  readonly key: string;
  readonly record: Seen[];
  /** ids that it lists */
  models: string[];
  /** set: what it answers for its list instead */
  list: { status: number; body: string; type?: string } | undefined;
  close(): Promise<void>;
}

const forms: Record<Form, { base: string; header: string; value(key: string): string; models: string[] }> = {
  openai: {
    base: "/v1",
    header: "authorization",
    value: (key) => `Bearer ${key}`,
    models: ["gpt-5.2", "gpt-5.2-mini"],
  },
  anthropic: {
    base: "/v1",
    header: "x-api-key",
    value: (key) => key,
    models: ["claude-sonnet-4-6", "claude-haiku-4-5"],
  },
  azure: { base: "/openai/v1", header: "api-key", value: (key) => key, models: ["gpt-5.2"] },
  litellm: {
    base: "/v1",
    header: "authorization",
    value: (key) => `Bearer ${key}`,
    models: ["claude-sonnet-4-6", "gpt-5.2"],
  },
};

/** Stands in for a model provider: key, list of models, a fixed answer; refuses as the real ones do. */
export async function startModelProvider(form: Form, path = ""): Promise<ModelProvider> {
  const { base, header, value } = forms[form];
  const key = `sk-${form}-${crypto.randomUUID()}${crypto.randomUUID()}`;
  const record: Seen[] = [];
  const server = createServer(async (request, response) => {
    const seen = await readRequest(request);
    record.push(seen);
    answer(seen, response);
  });
  server.keepAliveTimeout = 0; // as the sandbox's, in http.ts

  function answer(seen: Seen, response: ServerResponse) {
    const { models } = provider;
    // LiteLLM serves Gemini's own calls beside its base, not below it.
    const isGemini = form === "litellm" && seen.path.startsWith(`${path}/v1beta/models/`);
    if (isGemini && seen.headers[header] === value(key)) return sendJson(response, 200, { candidates: [] });
    if (!seen.path.startsWith(`${path}${base}/`)) {
      if (form === "azure") return sendJson(response, 404, { error: { code: "404", message: "Resource not found" } });
      response.writeHead(404, { "content-type": "text/html" }).end("<html><title>Not Found</title></html>");
      return;
    }
    if (seen.headers[header] !== value(key)) return refuse(response);
    // Anthropic's own rule: no version of the API, no answer.
    if (form === "anthropic" && !seen.headers["anthropic-version"]) {
      const error = { type: "invalid_request_error", message: "anthropic-version: header is required" };
      return sendJson(response, 400, { type: "error", error });
    }
    switch (`${seen.method} ${seen.path.slice(path.length + base.length)}`) {
      case "GET /models":
        if (provider.list) {
          const { status, body, type = "application/json" } = provider.list;
          return void response.writeHead(status, { "content-type": type }).end(body);
        }
        if (form === "anthropic") {
          const data = models.map((id) => ({ type: "model", id, display_name: id.replaceAll("-", " ") }));
          return sendJson(response, 200, { data, has_more: false, first_id: models[0], last_id: models.at(-1) });
        }
        return sendJson(response, 200, { object: "list", data: models.map((id) => ({ id, object: "model" })) });
      case "POST /messages":
        return message(response, JSON.parse(seen.body).stream === true);
      case "POST /chat/completions":
        return sendJson(response, 200, {
          id: "c",
          choices: [{ message: { role: "assistant", content: "from the provider" } }],
        });
    }
    sendJson(response, 404, {
      error: { message: `Unknown request URL: ${seen.method} ${seen.path}`, type: "invalid_request_error" },
    });
  }

  function refuse(response: ServerResponse) {
    const message =
      form === "litellm" ? "Authentication Error, LiteLLM Virtual Key expected" : "Incorrect API key provided";
    if (form === "anthropic") {
      return sendJson(response, 401, {
        type: "error",
        error: { type: "authentication_error", message: "invalid x-api-key" },
      });
    }
    if (form === "azure")
      return sendJson(response, 401, { error: { code: "401", message: "Access denied due to invalid key" } });
    sendJson(response, 401, { error: { message, type: "invalid_request_error", code: "invalid_api_key" } });
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: ModelProvider = {
    origin,
    api: `${origin}${path}${base}`,
    key,
    record,
    models: [...forms[form].models],
    list: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return provider;
}

function message(response: ServerResponse, stream: boolean) {
  const content = [{ type: "text", text: "from the provider" }];
  const base = {
    id: "m",
    type: "message",
    role: "assistant",
    model: "m",
    usage: { input_tokens: 1, output_tokens: 1 },
  };
  if (!stream) return sendJson(response, 200, { ...base, content, stop_reason: "end_turn" });
  const events = [
    { type: "message_start", message: { ...base, content: [] } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "from the provider" } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
    { type: "message_stop" },
  ];
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""));
}
