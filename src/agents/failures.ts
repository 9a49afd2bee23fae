import { CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";

/** Failures of an agent's own flags, as users see them. */
export const agentFailure = {
  settingsMissing: () =>
    new CodemieError(
      "usage",
      "--settings needs a file or JSON",
      "for example codemie-claude --settings ./settings.json",
    ),
  settingsUnreadable: () =>
    new CodemieError(
      "usage",
      "--settings is neither a readable settings file nor JSON",
      "give the path of a JSON file, or the JSON itself",
    ),
  elsewhere: (flag: string) =>
    new CodemieError(
      "usage",
      `${flag} starts Claude Code in another program or on another machine, without the gateway`,
      "leave it out, or start claude itself",
    ),
  inBackground: (flag: string) =>
    new CodemieError(
      "usage",
      `${flag} starts a session that would run without the gateway`,
      "leave it out; CLAUDE_CODE_DISABLE_AGENT_VIEW= in the environment lets Claude Code run it on its own login",
    ),
  /** @param levels all that there are */
  noEffort: (given: string, levels: readonly string[]) =>
    new CodemieError("usage", `there is no reasoning effort ${printable(given, 60)}`, `one of ${levels.join(", ")}`),
  /** @param fitting models of the account that the agent can speak to */
  modelUnfit: (title: string, model: string, fitting: readonly string[]) =>
    new CodemieError(
      "usage",
      `${title} cannot speak to ${printable(model, 60)}`,
      fitting.length > 0
        ? `use --model with one of ${listed(fitting)}`
        : "this account has no model that it could speak to; another agent may: see codemie models",
    ),
  /** @param known the account's models */
  noModelFits: (title: string, known: readonly string[]) =>
    new CodemieError(
      "usage",
      known.length > 0
        ? `${title} can speak to none of this account's models`
        : `${title} needs a model, and this account's models are not known`,
      known.length > 0
        ? `the account has ${listed(known)}; another agent may speak to them, or --model names one it does not list`
        : "name one with --model",
    ),
  /** @param versions what we know how to start, in words */
  wrongVersion: (title: string, found: string, versions: string, install: string) =>
    new CodemieError(
      "agent_missing",
      `${title} ${printable(found, 40)} is not supported`,
      `it takes ${versions}: ${install}`,
    ),
  foreignSettings: (file: string) =>
    new CodemieError(
      "usage",
      `${printable(file, 200)} is not a readable settings file`,
      "mend it, or move it away, and try again",
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;

/** @returns at most eight names, as words */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => printable(name, 60));
  return `${shown.join(", ")}${names.length > shown.length ? ", …" : ""}`;
}
