import { apiFailure } from "../api/failures.ts";
import { proofIn } from "../auth/client-proof.ts";
import { authFailure } from "../auth/failures.ts";
import { defaultScope, promptIn } from "../auth/login/oidc.ts";
import { callbackIn, hostOfPage, parseProvider, usesOrigin, withoutSecrets } from "../core/host.ts";
import { printable } from "../core/text.ts";
import { discoverProvider } from "../oauth/provider.ts";
import { back, type Choice } from "../platform/prompts.ts";
import type { Profile } from "../profiles/config.ts";
import { type ProviderName, providerNames, providerOf, providers } from "../profiles/providers.ts";
import { hostAskedFor, type Method, methodOf, usableHostOf } from "../profiles/resolve.ts";
import { usualName } from "./choices.ts";
import { detect } from "./detect.ts";
import { type Draft, type SetupContext, type SetupFlags, type SetupStep, untilItWorks } from "./draft.ts";
import { setupFailure } from "./failures.ts";

const anew = " new";

/** Which profile: the named one, else the person chooses one to change, or a new one. */
export const which: SetupStep = async (draft, { config, flags, prompts }) => {
  const names = Object.keys(config.profiles);
  const edit = (name: string) => ({ ...draft, edits: name, before: config.profiles[name] ?? {} });
  if (flags.profile !== undefined) return names.includes(flags.profile) ? edit(flags.profile) : draft;
  if (!prompts || names.length === 0) return draft;
  const choices: Choice<string>[] = names.map((name) => ({
    value: name,
    label: `change ${name}`,
    hint: config.profiles[name]?.codeMieUrl ?? config.profiles[name]?.baseUrl ?? "",
  }));
  const chosen = await prompts.choose("There are profiles already", [
    ...choices,
    { value: anew, label: "add another" },
  ]);
  if (chosen === back) return back;
  return chosen === anew ? { before: {}, adds: true } : edit(chosen);
};

/** Where the models are: takes or asks for the address, and detects which service answers there. */
export const where: SetupStep = async (draft, context) => {
  const { flags, runtime, typed } = context;
  const { before } = draft;
  const { provider } = flags;
  if (provider) {
    const own = before.provider === provider ? before.baseUrl : undefined;
    const url = flags.url ?? own ?? providers[provider].url;
    const host = url === undefined ? {} : { host: parseProvider(url) };
    return settled({ ...draft, ...asProvider(provider, flags), ...host }, context);
  }
  const named = flags.url ?? (context.prompts ? undefined : addressOf(before));
  const fromEnvironment = flags.method === "api-key" ? undefined : hostAskedFor(runtime.env, undefined)?.value.origin;
  const given = named ?? fromEnvironment;
  return await untilItWorks(context, async (here, again) => {
    let url = again || typed.has("address") ? undefined : given;
    if (url === undefined) {
      const { prompts } = here;
      if (!prompts) throw setupFailure.needsHost();
      const answer = await prompts.text("Where are your models?", {
        initial: typed.get("address") ?? flags.url ?? addressOf(before) ?? fromEnvironment ?? "",
        placeholder: "codemie.example.com, or the base URL of a model API",
        check: (value) => (value.trim() ? undefined : "type an address, for example codemie.example.com"),
      });
      if (answer === back) return back;
      typed.set("address", answer);
      url = answer;
    }
    return settled(await look(draft, url, here), here);
  });
};

const addressOf = (profile: Profile) => profile.codeMieUrl ?? profile.baseUrl;

/**
 * The host tells which profile is meant: takes that one as `before`, unless the person chose one to change. Drops
 * project, integration and model of another host: they mean nothing at this one.
 */
function settled(draft: Draft, context: SetupContext): Draft {
  const { host, edits } = draft;
  if (!host) return draft;
  const { profiles } = context.config;
  const name = usualName(draft, context);
  const before = edits === undefined && Object.hasOwn(profiles, name) ? (profiles[name] ?? {}) : draft.before;
  if (usableHostOf(before)?.origin === host.origin) return { ...draft, before };
  const { codeMieProject: _, codeMieIntegration: __, model: ___, ...rest } = before;
  return { ...draft, before: rest };
}

async function look(draft: Draft, url: string, context: SetupContext): Promise<Draft> {
  const { flags, runtime, tell } = context;
  // A named method needs no detection, so a host that is down now can still be set up.
  if (flags.method !== undefined && flags.method !== "api-key") {
    const { host, note } = hostOfPage(url);
    if (note) tell.note(note);
    return { ...draft, host, method: flags.method };
  }
  const found = await context.during(`looking at ${printable(withoutSecrets(url), 200)}`, () => detect(url, runtime));
  switch (found.kind) {
    case "codemie":
      if (flags.method) throw setupFailure.takesNoKey(found.host.origin);
      tell.good(`${found.host.origin} is a CodeMie host${found.front ? " behind single sign-on" : ""}`);
      if (found.ofPage) tell.note(usesOrigin(found.host.origin));
      return { ...draft, host: found.host, front: found.front };
    case "provider":
      tell.good(`${new URL(found.url).origin} speaks the API of ${providers[found.provider].title}`);
      return { ...draft, ...asProvider(found.provider, flags), host: parseProvider(found.url) };
    case "issuer":
      throw setupFailure.isIssuer(found.issuer);
    case "other":
      throw apiFailure.wrongBaseUrl(parseProvider(url).origin, `it sent ${found.what}`);
  }
}

function asProvider(provider: ProviderName, { method }: SetupFlags): Pick<Draft, "method" | "provider"> {
  if (method === undefined || method === "api-key") return { method: "api-key", provider };
  throw setupFailure.takesKeyOnly(method);
}

/** Which provider's API it is: the person confirms what was detected, since compatible servers look alike. */
export const api: SetupStep = async (draft, { flags, prompts }) => {
  if (draft.method !== "api-key" || !draft.provider || !prompts || flags.provider) return draft;
  const choices = providerNames.map((name) => ({ value: name, label: providers[name].title }));
  const provider = await prompts.choose("Which API is it?", choices, draft.provider);
  return provider === back ? back : { ...draft, provider };
};

/** The base URL, for a provider without a usual one. */
export const base: SetupStep = async (draft, context) => {
  const { provider, host, before } = draft;
  if (!provider || host) return draft;
  const { title, example } = providers[provider];
  return await untilItWorks(context, async ({ prompts }) => {
    if (!prompts) throw setupFailure.needsBaseUrl(title, example);
    const initial = providerOf(before.provider) === provider ? before.baseUrl : undefined;
    const url = await prompts.text(`Base URL of ${title}`, { initial: initial ?? "", placeholder: example });
    return url === back ? back : settled({ ...draft, host: parseProvider(url) }, context);
  });
};

/** How to log in at a CodeMie host: proposes the profile's method, else single sign-on if oauth2-proxy is there. */
export const how: SetupStep = async (draft, { flags, prompts }) => {
  const { host, method, front } = draft;
  if (!host || method === "api-key") return draft;
  const asked: Method | undefined =
    method ?? (flags.client.issuer || flags.device ? "oidc" : flags.tokenEnv || flags.token ? "jwt" : undefined);
  let chosen = asked;
  if (!chosen && prompts) {
    const standard =
      usableHostOf(draft.before)?.origin === host.origin ? methodOf(draft.before) : front ? "sso" : "jwt";
    const answer = await prompts.choose<Exclude<Method, "api-key">>(
      "How do you log in?",
      [
        { value: "sso", label: "in the browser", hint: "the host's own single sign-on" },
        { value: "jwt", label: "with a bearer token", hint: "CI jobs" },
        { value: "oidc", label: "at an OpenID provider", hint: "needs its address and a client ID" },
      ],
      standard === "api-key" ? "sso" : standard,
    );
    if (answer === back) return back;
    chosen = answer;
  }
  chosen ??= front ? "sso" : "jwt";
  if (chosen !== "oidc") return { ...draft, method: chosen };
  return { ...draft, method: "oidc" };
};

/** The OpenID provider, if that is the way to log in. One that was typed is looked at before the next question. */
export const provider: SetupStep = async (draft, context) => {
  if (draft.method !== "oidc") return draft;
  const known = context.flags.client.issuer ?? draft.before.oidc?.issuer;
  if (known !== undefined) return { ...draft, issuer: known };
  const { typed, runtime, during } = context;
  return await untilItWorks(context, async ({ prompts }) => {
    if (!prompts) throw setupFailure.needsIssuer();
    const answer = await prompts.text("Address of the OpenID provider", {
      initial: typed.get("issuer") ?? "",
      placeholder: "https://sso.example.com/realms/acme",
      check: (value) => (URL.canParse(value.trim()) ? undefined : "type an address that begins with https://"),
    });
    if (answer === back) return back;
    const issuer = answer.trim();
    typed.set("issuer", answer);
    const found = await during(`looking at ${printable(issuer, 200)}`, () => discoverProvider(issuer, runtime.fetch));
    if ("unusable" in found) throw authFailure.provider(issuer, found.unusable, found.hint);
    return { ...draft, issuer };
  });
};

/** Our client at that provider. */
export const client: SetupStep = async (draft, { flags, prompts, typed }) => {
  const { issuer } = draft;
  if (draft.method !== "oidc" || issuer === undefined) return draft;
  const known = { ...draft.before.oidc, ...flags.client };
  let { clientId } = known;
  if (clientId === undefined) {
    if (!prompts) throw setupFailure.needsClientId();
    const answer = await prompts.text("Client ID at that provider", {
      initial: typed.get("client") ?? "",
      check: (value) => (value.trim() ? undefined : "type the ID under which the provider knows codemie"),
    });
    if (answer === back) return back;
    typed.set("client", answer);
    clientId = answer.trim();
  }
  const scope = known.scope ?? defaultScope;
  // A secret goes to the provider and client that it was given for, and to no other.
  const { oidc } = draft.before;
  const proof = oidc?.issuer === issuer && oidc.clientId === clientId ? known : flags.client;
  const bound = proof.dpop ? { dpop: true } : {};
  const choices = { ...promptIn(known), ...callbackIn(known), ...bound, ...proofIn(proof) };
  return { ...draft, client: { issuer, clientId, scope, ...choices } };
};
