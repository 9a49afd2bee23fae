import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { startGateway } from "../support/gateway.ts";
import { ownProvider } from "../support/shared.ts";

/** Models of providers whose ids are no plain words: each one that is listed is found and can be called, in every API. */

const ids = [
  "gpt-5.2",
  "openai/gpt-5.2",
  "llava:13b",
  "vertex_ai/claude@2025",
  "@cf/meta/llama-4",
  "bedrock/us.anthropic.claude-sonnet-4-6-v1:0",
  "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-v1:0",
  "team a/größtes",
  "100%",
];

async function gatewayOf(models: string[]) {
  const provider = await ownProvider("litellm");
  provider.models = models;
  const person = new Person();
  const args = ["setup", "--provider", "litellm", "--url", provider.origin, "--key-stdin", "--yes"];
  expect(await person.run(args, { stdin: provider.key })).toMatchObject({ code: 0 });
  return { provider, gateway: await startGateway(person) };
}

test("each model that is listed is found by its id, plain or encoded, in the form of the API that asks", async () => {
  const { gateway } = await gatewayOf(ids);
  const apis = [
    ["/v1/models", {}, "id"],
    ["/models", {}, "id"],
    ["/v1/models", { "anthropic-version": "2023-06-01" }, "id"],
    ["/v1beta/models", {}, "baseModelId"],
  ] as const;
  for (const [path, headers, member] of apis) {
    for (const id of ids) {
      for (const name of [encodeURIComponent(id), encodeURI(id)]) {
        const answer = await gateway.ask(`${path}/${name}`, { method: "GET", headers });
        expect({ path, name, status: answer.status }).toEqual({ path, name, status: 200 });
        expect(await answer.json()).toMatchObject({ [member]: id });
      }
    }
  }
  expect((await gateway.ask("/v1/models/llava%3A13b", { method: "HEAD" })).status).toBe(200);
  await gateway.stop();
});

test("a model that is not listed is a 404 in the form of the API that asks", async () => {
  const { gateway } = await gatewayOf(ids);
  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await gateway.ask(path, { method: "GET", headers });
    return { status: answer.status, body: await answer.json() };
  };
  const openai = { status: 404, body: { error: { param: null, type: "invalid_request_error" } } };
  const anthropic = { status: 404, body: { type: "error", error: { type: "not_found_error" } } };
  const gemini = { status: 404, body: { error: { code: 404, status: "NOT_FOUND" } } };
  for (const name of ["openai/gpt-9", "openai%2Fgpt-9", "llava:14b", "a@b"]) {
    expect(await ask(`/v1/models/${name}`)).toMatchObject(openai);
    expect(await ask(`/v1/models/${name}`, { "anthropic-version": "2023-06-01" })).toMatchObject(anthropic);
    expect(await ask(`/v1beta/models/${name}`)).toMatchObject(gemini);
  }
  await gateway.stop();
});

test("Gemini's calls reach its API beside the base of the profile, whatever the model's id", async () => {
  const { provider, gateway } = await gatewayOf(ids);
  for (const id of ids.filter((one) => /^[\x21-\x7e]+$/.test(one) && !one.includes("%"))) {
    for (const name of [id, encodeURIComponent(id)]) {
      for (const call of ["generateContent", "streamGenerateContent?alt=sse", "countTokens"]) {
        const target = `/v1beta/models/${name}:${call}`;
        expect((await gateway.ask(target)).status).toBe(200);
        expect(provider.record.at(-1)?.target).toBe(target);
      }
    }
  }
  const answer = await gateway.ask("/v1beta/models/openai/gpt-5.2:deleteEverything");
  expect({ status: answer.status, body: await answer.json() }).toMatchObject({
    status: 404,
    body: { error: { code: 404, status: "NOT_FOUND" } },
  });
  await gateway.stop();
});

test("only what belongs to the base is cut off a path", async () => {
  const { provider, gateway } = await gatewayOf(ids);
  for (const [path, target] of [
    ["/v1/chat/completions", "/v1/chat/completions"],
    ["/chat/completions", "/v1/chat/completions"],
    ["/v1beta/models/gpt-5.2:generateContent", "/v1beta/models/gpt-5.2:generateContent"],
    ["/v1/models/gpt-5.2:generateContent", "/v1/models/gpt-5.2:generateContent"],
  ] as const) {
    await gateway.ask(path);
    expect(provider.record.at(-1)?.target).toBe(target);
  }
  await gateway.stop();
});
