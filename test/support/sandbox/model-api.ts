import type { ServerResponse } from "node:http";
import { type Seen, sendJson } from "./http.ts";

/** The model API of the stand-in host: a model that repeats what it heard, in the form of each API. */

type Json = Readonly<Record<string, unknown>>;

/** @param path below the API's root */
export const isModelCall = (path: string): boolean =>
  /^(\/v1)?\/(messages|chat\/completions|responses)/.test(path) || geminiCall.test(path);

const geminiCall = /^\/v1(?:beta)?\/models\/([^/]+):(generateContent|streamGenerateContent)$/;

/** Answers a model call, streamed where it asks for that. */
export function answerModelCall(path: string, seen: Seen, response: ServerResponse): void {
  const gemini = geminiCall.exec(path);
  if (gemini) answerGemini(gemini[1] ?? "", gemini[2] === "streamGenerateContent", seen, response);
  else if (path.endsWith("/count_tokens")) sendJson(response, 200, { input_tokens: 42 });
  else if (path.endsWith("/messages")) answerMessages(seen, response);
  else if (path.endsWith("/chat/completions")) answerChat(seen, response);
  else if (path.endsWith("/responses")) answerResponses(seen, response);
  else sendJson(response, 404, { detail: "Not Found" });
}

/** What the sandbox's model says to a request, of whatever API. */
export function replyTo(seen: Seen): string {
  const { messages, input, contents } = JSON.parse(seen.body) as Record<
    "messages" | "input" | "contents",
    { role?: string; content?: unknown; parts?: unknown }[] | undefined
  >;
  const last = (messages ?? input ?? contents)?.findLast(({ role }) => role === "user");
  const content = last?.content ?? last?.parts;
  const blocks = Array.isArray(content) ? (content as { text?: string }[]) : [];
  const text = typeof content === "string" ? content : (blocks.findLast((block) => block.text)?.text ?? "");
  return `The sandbox heard: ${text.trim().slice(0, 200)}`;
}

const words = (text: string): readonly string[] => text.match(/\S+\s*/g) ?? [];

function beginEvents(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
}

/** Anthropic's messages. */
function answerMessages(seen: Seen, response: ServerResponse): void {
  const asked = JSON.parse(seen.body) as { model: string; stream?: boolean };
  const text = replyTo(seen);
  const message = {
    id: "msg_sandbox",
    type: "message",
    role: "assistant",
    model: asked.model,
    content: [] as unknown[],
    stop_reason: null as string | null,
    stop_sequence: null,
    usage: { input_tokens: 12, output_tokens: 1 },
  };
  if (!asked.stream) {
    sendJson(response, 200, { ...message, content: [{ type: "text", text }], stop_reason: "end_turn" });
    return;
  }
  beginEvents(response);
  const event = (data: { type: string } & Json) => named(response, data);
  event({ type: "message_start", message });
  event({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } });
  for (const word of words(text)) {
    event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: word } });
  }
  event({ type: "content_block_stop", index: 0 });
  event({
    type: "message_delta",
    delta: { stop_reason: "end_turn", stop_sequence: null },
    usage: { output_tokens: 9 },
  });
  event({ type: "message_stop" });
  response.end();
}

/** OpenAI's chat completions. */
function answerChat(seen: Seen, response: ServerResponse): void {
  const asked = JSON.parse(seen.body) as { model: string; stream?: boolean };
  const text = replyTo(seen);
  const base = { id: "chatcmpl-sandbox", created: 1, model: asked.model };
  const usage = { prompt_tokens: 12, completion_tokens: 9, total_tokens: 21 };
  if (!asked.stream) {
    const choice = { index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" };
    sendJson(response, 200, { ...base, object: "chat.completion", choices: [choice], usage });
    return;
  }
  beginEvents(response);
  const chunk = (delta: Json, finish: string | null, more: Json = {}) =>
    data(response, {
      ...base,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, finish_reason: finish }],
      ...more,
    });
  chunk({ role: "assistant", content: "" }, null);
  for (const word of words(text)) chunk({ content: word }, null);
  chunk({}, "stop", { usage });
  response.end("data: [DONE]\n\n");
}

/** OpenAI's responses. */
function answerResponses(seen: Seen, response: ServerResponse): void {
  const asked = JSON.parse(seen.body) as { model: string; stream?: boolean };
  const text = replyTo(seen);
  const base = { id: "resp_sandbox", object: "response", created_at: 1, model: asked.model, status: "in_progress" };
  const empty = { id: "msg_sandbox", type: "message", role: "assistant", status: "in_progress", content: [] };
  const part = { type: "output_text", text, annotations: [] };
  const item = { ...empty, status: "completed", content: [part] };
  const usage = {
    input_tokens: 12,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 9,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 21,
  };
  const whole = { ...base, status: "completed", output: [item], usage };
  if (!asked.stream) {
    sendJson(response, 200, whole);
    return;
  }
  beginEvents(response);
  let sequence_number = 0;
  const event = (type: string, more: Json) => named(response, { type, sequence_number: sequence_number++, ...more });
  const at = { item_id: item.id, output_index: 0, content_index: 0 };
  event("response.created", { response: { ...base, output: [] } });
  event("response.output_item.added", { output_index: 0, item: empty });
  event("response.content_part.added", { ...at, part: { ...part, text: "" } });
  for (const word of words(text)) event("response.output_text.delta", { ...at, delta: word });
  event("response.output_text.done", { ...at, text });
  event("response.content_part.done", { ...at, part });
  event("response.output_item.done", { output_index: 0, item });
  event("response.completed", { response: whole });
  response.end();
}

/** Google's generateContent. */
function answerGemini(model: string, isStreamed: boolean, seen: Seen, response: ServerResponse): void {
  const text = replyTo(seen);
  const answer = (part: string, finish?: string) => ({
    candidates: [{ index: 0, content: { role: "model", parts: [{ text: part }] }, finishReason: finish }],
    usageMetadata: { promptTokenCount: 12, candidatesTokenCount: 9, totalTokenCount: 21 },
    modelVersion: model,
  });
  if (!isStreamed) {
    sendJson(response, 200, answer(text, "STOP"));
    return;
  }
  beginEvents(response);
  const parts = words(text);
  for (const [n, word] of parts.entries()) data(response, answer(word, n === parts.length - 1 ? "STOP" : undefined));
  response.end();
}

const data = (response: ServerResponse, value: Json) => response.write(`data: ${JSON.stringify(value)}\n\n`);
const named = (response: ServerResponse, value: { type: string } & Json) =>
  response.write(`event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`);
