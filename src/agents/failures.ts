import { CodemieError } from "../core/errors.ts";

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
} satisfies Record<string, (...args: never[]) => CodemieError>;
