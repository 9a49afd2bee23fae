import type { Api } from "../api/client.ts";
import type { Model } from "../api/schemas.ts";
import { callWith } from "../auth/call.ts";
import { heldLogin } from "../auth/held-login.ts";
import { CodemieError } from "../core/errors.ts";
import { isPlainName, nearest, printable } from "../core/text.ts";
import { back, type Choice } from "../platform/prompts.ts";
import { profileName } from "../profiles/config.ts";
import { profileFailure } from "../profiles/failures.ts";
import { freeName, hostName, pickName, usableHostOf } from "../profiles/resolve.ts";
import type { Draft, SetupContext, SetupStep } from "./draft.ts";
import { setupFailure } from "./failures.ts";

const noneOfThem = "";

/** The project that model calls count for: the named one, the only one, or the person's choice. */
export const project: SetupStep = async (draft, context) => {
  const { flags, prompts, tell } = context;
  const asked = flags.project ?? draft.before.codeMieProject;
  const names = await atHost(draft, context, "asking for your projects", (api) => api.projects());
  if (!names) return asked === undefined ? draft : { ...draft, project: asked };
  if (flags.project !== undefined) {
    if (!names.includes(flags.project)) {
      const close = nearest(flags.project, names);
      tell.note(`${flags.project} is not one of your projects${close ? `; did you mean ${printable(close, 80)}` : ""}`);
    }
    return { ...draft, project: flags.project };
  }
  const [only] = names;
  if (only === undefined) {
    tell.note(
      "you are in no project: model calls count for you alone; an administrator of the host can add you to one",
    );
    return draft;
  }
  if (names.length === 1) {
    tell.good(`project ${printable(only, 80)}, your only one`);
    return { ...draft, project: only };
  }
  if (!prompts) return asked !== undefined && names.includes(asked) ? { ...draft, project: asked } : draft;
  const choices = names.map((name) => ({ value: name, label: printable(name, 60) }));
  const chosen = await prompts.choose("Which project?", choices, names.includes(asked ?? "") ? asked : only);
  return chosen === back ? back : { ...draft, project: chosen };
};

/** The integration: the project's own credentials for model calls, if it has any. */
export const integration: SetupStep = async (draft, context) => {
  const { prompts } = context;
  const { project } = draft;
  if (project === undefined) return draft;
  const before = draft.before.codeMieProject === project ? draft.before.codeMieIntegration : undefined;
  const kept = before ? { integration: { id: before.id, alias: String(before.alias ?? "") } } : {};
  const found = await atHost(draft, context, undefined, (api) => api.integrations(project));
  if (!found) return { ...draft, ...kept };
  const [only] = found;
  if (!only) return draft;
  if (found.length === 1) return { ...draft, integration: only };
  if (!prompts) return { ...draft, ...kept };
  const choices: Choice<string>[] = found.map(({ id, alias }) => ({ value: id, label: printable(alias, 60) }));
  const none = { value: noneOfThem, label: "none", hint: "the host's own" };
  const chosen = await prompts.choose("Which integration?", [...choices, none], before?.id ?? only.id);
  if (chosen === back) return back;
  const one = found.find(({ id }) => id === chosen);
  return one ? { ...draft, integration: one } : draft;
};

/** The model: the named one or the person's choice; none means the account's default at the time of a run. */
export const model: SetupStep = async (draft, context) => {
  const { flags, prompts, tell } = context;
  const asked = flags.model ?? draft.before.model;
  const keep = asked === undefined ? draft : { ...draft, model: asked };
  if (draft.lacksList) {
    if (flags.model !== undefined || !prompts) return keep;
    const typed = await prompts.text("Model to use, by its name", {
      initial: asked ?? "",
      check: (value) => (isPlainName(value.trim()) ? undefined : "type the model's name"),
    });
    return typed === back ? back : { ...draft, model: typed.trim() };
  }
  const models = draft.models ?? (await atHost(draft, context, "asking for your models", (api) => api.models()));
  if (!models || models.length === 0) return keep;
  if (!draft.models) tell.good(`${models.length} model${models.length === 1 ? "" : "s"}`);
  if (flags.model !== undefined && !models.some(({ id }) => id === flags.model)) {
    const close = nearest(
      flags.model,
      models.map(({ id }) => id),
    );
    tell.note(`${flags.model} is not in the list of models${close ? `; did you mean ${printable(close, 80)}` : ""}`);
  }
  if (flags.model !== undefined || !prompts) return keep;
  const standard = models.find((one) => one.default);
  const choices: Choice<string>[] = [
    {
      value: noneOfThem,
      label: standard ? `the account's default, now ${printable(standard.id, 60)}` : "the agent's choice",
    },
    ...models.map((one) => ({ value: one.id, label: printable(one.id, 60), hint: hintOf(one) })),
  ];
  const chosen = await prompts.choose("Which model?", choices, asked ?? noneOfThem);
  if (chosen === back) return back;
  if (chosen !== noneOfThem) return { ...draft, model: chosen };
  const { model: _, ...rest } = draft;
  return rest;
};

function hintOf({ id, label, default: recommended, cost }: Model): string {
  const price = cost
    ? `$${(cost.input * 1e6).toFixed(2)} in, $${(cost.output * 1e6).toFixed(2)} out per million tokens`
    : "";
  return [recommended ? "recommended" : "", label === id ? "" : printable(label, 40), price].filter(Boolean).join(", ");
}

/** The profile's name: the named one or the edited profile's, else a proposal that the person may change. */
export const name: SetupStep = async (draft, context) => {
  const { config, flags, prompts } = context;
  const { host, edits, keeps } = draft;
  if (!host) return draft;
  const wrong = (value: string) => {
    if (value !== edits && !profileName.test(value)) return setupFailure.badProfileName(value);
    const taken = value !== edits && Object.hasOwn(config.profiles, value) ? config.profiles[value] : undefined;
    const own = taken && usableHostOf(taken);
    const other = taken && (own?.origin !== host.origin || own.kind !== host.kind);
    return other ? setupFailure.profileHasOtherHost(value, own?.origin ?? "another service") : undefined;
  };
  const wanted = usualName(draft, context);
  // A kept login stays with its profile: of two copies, one would be renewed and the other would die.
  const open = prompts && flags.profile === undefined && !edits && !keeps;
  const check = (value: string) => {
    const fault = wrong(value);
    return value !== edits && !profileName.test(value) ? profileFailure.badName(value).hint : fault?.message;
  };
  const answer = open ? await prompts.text("Name of the profile", { initial: wanted, check }) : wanted;
  if (answer === back) return back;
  const refusal = wrong(answer);
  if (refusal) throw refusal;
  return { ...draft, name: answer };
};

/** @returns the name that set-up proposes for the profile: the named or edited one, else one by provider or host */
export function usualName(draft: Draft, { config, flags }: Pick<SetupContext, "config" | "flags">): string {
  const { edits, provider, host } = draft;
  const named = flags.profile ?? edits;
  if (named !== undefined) return named;
  if (Object.keys(config.profiles).length === 0) return "default";
  if (draft.adds) return freeName(provider ?? hostName(host), config);
  return provider ? (sameProvider(draft, config) ?? freeName(provider, config)) : pickName(config, host);
}

/** A set-up without a name means the profile that has this provider at this address. */
function sameProvider({ provider, host }: Draft, { profiles }: SetupContext["config"]): string | undefined {
  return Object.keys(profiles).find(
    (name) => profiles[name]?.provider === provider && usableHostOf(profiles[name] ?? {})?.origin === host?.origin,
  );
}

/**
 * Asks a CodeMie host with the draft's credential. Its failures (exit codes up to 5) become a note: a host that does
 * not answer now must not stop the set-up.
 *
 * @param doing the activity to show meanwhile; undefined shows nothing
 * @returns the answer; undefined without a CodeMie host, a credential or an answer
 * @throws failures of the vault, interruptions, and errors that are not ours
 */
async function atHost<T>(
  { held, keeps, host }: Draft,
  { runtime, version, tell, during, stored }: SetupContext,
  doing: string | undefined,
  call: (api: Api) => Promise<T>,
): Promise<T | undefined> {
  if (host?.kind !== "codemie" || !(held || keeps)) return undefined;
  const credentials = held ? heldLogin(held, runtime) : stored(keeps ?? "", host);
  const ask = () => callWith(credentials, runtime, version, call);
  try {
    return await (doing ? during(doing, ask) : ask());
  } catch (error) {
    if (!(error instanceof CodemieError) || error.exitCode > 5) throw error;
    tell.note(error.message);
    return undefined;
  }
}
