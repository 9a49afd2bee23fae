import { expect, test } from "bun:test";
import { config } from "../../src/profiles/config.ts";
import { resolveProfile } from "../../src/profiles/resolve.ts";

const a = "https://a.example";
const b = "https://b.example";
const two = config.parse({
  activeProfile: "one",
  profiles: { one: { codeMieUrl: a, model: "m-profile", timeout: 5 }, two: { baseUrl: `${b}/code-assistant-api` } },
});
const none = config.parse({});
const resolve = (...args: Partial<Parameters<typeof resolveProfile>>) =>
  resolveProfile(args[0] ?? two, args[1] ?? {}, args[2] ?? {}, args[3] ?? {});

test("the active profile, unless another name or another host is asked for", () => {
  expect(resolve().name).toBe("one");
  expect(resolve(two, { profile: "two" }).host).toEqual({
    value: { origin: b, api: `${b}/code-assistant-api`, kind: "codemie" },
    source: "profile",
  });
  expect(resolve(two, {}, { CODEMIE_PROFILE: "two" }).name).toBe("two");
  expect(resolve(two, { url: b }).name).toBe("two");
  expect(resolve(two, {}, { CODEMIE_URL: "b.example" }).name).toBe("two");
});

test("a profile that was named keeps its host, whatever the environment says; a flag decides", () => {
  expect(resolve(two, { profile: "one" }, { CODEMIE_URL: b }).host.value.origin).toBe(a);
  expect(resolve(two, { profile: "one", url: b }).host).toMatchObject({ value: { origin: b }, source: "flag" });
});

test("the first host becomes profile default, another one a profile of its own", () => {
  expect(resolve(none, { url: a })).toMatchObject({ name: "default", exists: false });
  expect(resolve(two, { url: "https://c.example:8443" })).toMatchObject({ name: "c.example-8443", exists: false });
  const taken = config.parse({ profiles: { "c.example": { codeMieUrl: a } } });
  expect(resolve(taken, { url: "https://c.example" }).name).toBe("c.example-2");
});

test("flag over environment over repository over profile over default", () => {
  const repository = { model: "m-repository" };
  expect(resolve(two, { model: "m-flag" }, { CODEMIE_MODEL: "m-env" }, repository).model?.value).toBe("m-flag");
  expect(resolve(two, {}, { CODEMIE_MODEL: "m-env" }, repository).model?.value).toBe("m-env");
  expect(resolve(two, {}, {}, repository).model).toEqual({ value: "m-repository", source: "repository" });
  expect(resolve().model?.value).toBe("m-profile");
  expect(resolve(two, { profile: "two" }).model).toBeUndefined();
  expect(resolve(two, { timeout: 0 }).timeout).toEqual({ value: 0, source: "flag" });
  expect(resolve().timeout.value).toBe(5);
});

test("what is not there is an error that names what is", () => {
  expect(() => resolve(two, { profile: "three" })).toThrow("there is no profile three");
  expect(() => resolve(none)).toThrow("not logged in to any CodeMie host yet");
  for (const profile of ["../x", "", "a b", "x".repeat(65)]) expect(() => resolve(two, { profile, url: a })).toThrow();
  expect(() => resolve(two, { profile: "__proto__" })).toThrow();
});
