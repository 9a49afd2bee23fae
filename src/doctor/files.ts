import { dirname, join } from "node:path";
import { asCodemieError } from "../core/errors.ts";
import { namesIn } from "../platform/files.ts";
import { freeBytes, stateOf } from "../platform/path-state.ts";
import { isUnprotected } from "../platform/places.ts";
import { isOwnFile } from "../platform/private.ts";
import type { Runtime } from "../platform/runtime.ts";
import { findSecrets } from "../profiles/secrets.ts";
import type { ProfileStore } from "../profiles/store.ts";
import { type Check, failed, failedWith, ok, skipped, warning } from "./check.ts";

/** Free space, bytes: below the first a write may fail at any moment, below the second a warning is due. */
const noSpace = 2 * 1024 * 1024;
const littleSpace = 100 * 1024 * 1024;

/** Our folders and files, relative to the base folder, each with its kind. */
const ours = [
  ["", "folder"],
  ["codemie-cli.config.json", "file"],
  ["vault", "folder"],
  ["vault.key", "file"],
  ["audit", "folder"],
  ["run", "folder"],
  ["logs", "folder"],
] as const;

/** @returns the checks of our files on this machine: configuration, folders, free space, logs */
export function fileChecks(runtime: Runtime, profiles: ProfileStore): Check[] {
  const { home } = runtime;
  return [
    {
      id: "config",
      title: "configuration",
      async run() {
        try {
          const config = await profiles.read();
          const names = Object.keys(config.profiles);
          if (names.length === 0) {
            const named = runtime.env.CODEMIE_URL
              ? "CODEMIE_URL"
              : runtime.env.CODEMIE_BASE_URL
                ? "CODEMIE_BASE_URL"
                : "";
            return named
              ? ok(`no profile; ${named} names the host`)
              : warning("no profile is set up", "run codemie setup");
          }
          const { activeProfile } = config;
          if (activeProfile !== undefined && !names.includes(activeProfile)) {
            return failed(`the active profile ${activeProfile} does not exist`, `run codemie profile use ${names[0]}`);
          }
          const clear = findSecrets(config).length;
          const said = `${names.length} profile${names.length === 1 ? "" : "s"}, ${activeProfile ?? names[0]} is active`;
          if (clear === 0) return ok(said);
          return warning(
            `${said}; ${clear} secrets are in the file in clear text`,
            "any change moves them to the vault: for example, run codemie profile use NAME",
          );
        } catch (error) {
          return failedWith(asCodemieError(error));
        }
      },
    },
    {
      id: "folders",
      title: "folders and modes",
      async run() {
        const loose: string[] = [];
        for (const [name, kind] of ours) {
          const path = name ? join(home, name) : home;
          const state = await stateOf(path, path === home);
          if (!state) continue;
          if (state.kind !== kind) return failed(`${path} is not a ${kind}`, "move it away");
          if (!state.ours) return failed(`${path} belongs to another user`, "set CODEMIE_HOME to a folder of your own");
          if ((state.mode & 0o077) !== 0) loose.push(path);
        }
        if (!(await stateOf(home))) return skipped(`${home} does not exist yet`);
        if (isUnprotected(home)) {
          return warning(
            `${home} is not in your own folder, so its permissions decide who else may read it`,
            `see them with icacls "${home}", or leave out CODEMIE_HOME`,
          );
        }
        if (loose.length === 0) return ok(`${home} is closed to others`);
        return warning(`others may read ${loose.join(", ")}`, `chmod -R go-rwx ${home}`);
      },
    },
    {
      id: "disk",
      title: "disk",
      async run() {
        const place = (await stateOf(home)) ? home : dirname(home);
        if (!(await stateOf(place)))
          return failed(`${place} does not exist`, "set CODEMIE_HOME to a folder that can be made");
        const state = await stateOf(place);
        if (!state?.writable)
          return warning(
            `${place} cannot be written`,
            "nothing can be stored here: use a bearer token, or set CODEMIE_HOME",
          );
        const free = await freeBytes(place);
        const said = `${(free / 1024 ** 3).toFixed(1)} GB free`;
        if (free < noSpace) return failed(said, "free some space: logins cannot be stored or renewed");
        return free < littleSpace ? warning(said, "free some space") : ok(said);
      },
    },
    {
      id: "logs",
      title: "log folder",
      async run() {
        const folder = join(home, "logs");
        const state = await stateOf(folder);
        if (!state) return ok("nothing was logged yet");
        if (!state.writable) return warning(`${folder} cannot be written`, "nothing will be logged");
        for (const name of await namesIn(folder)) isOwnFile(join(folder, name));
        return ok(folder);
      },
    },
  ];
}
