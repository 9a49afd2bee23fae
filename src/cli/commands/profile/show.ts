import { stores } from "../../../access/stores.ts";
import { isCi } from "../../../core/env.ts";
import { printable } from "../../../core/text.ts";
import { profileFailure } from "../../../profiles/failures.ts";
import { methodOf, usableHostOf } from "../../../profiles/resolve.ts";
import { type Cli, command } from "../../frame/command.ts";

/** `codemie profile show [NAME]`. It reads the configuration only: no vault, no host. */
export const profileShow = (cli: Cli) =>
  command({
    meta: { name: "show", description: "Show what a profile holds, without secrets" },
    examples: ["codemie profile show", "codemie profile show work --json"],
    args: { name: { type: "positional", required: false, description: "the profile (default: the active one)" } },
    async run({ args }) {
      const { runtime, output } = cli;
      const config = await stores(runtime).profiles.read();
      const known = Object.keys(config.profiles);
      const name = args.name ?? (runtime.env.CODEMIE_PROFILE || (config.activeProfile ?? known[0]));
      if (name === undefined) throw profileFailure.noHost(isCi(runtime.env));
      const profile = Object.hasOwn(config.profiles, name) ? config.profiles[name] : undefined;
      if (!profile) throw profileFailure.none(name, known);
      const members = flat({ ...profile, name });
      const data = {
        name,
        active: name === config.activeProfile,
        method: methodOf(profile),
        settings: Object.fromEntries(members),
      };
      output.result(data, () => {
        const width = Math.max(...members.map(([path]) => path.length));
        const where = usableHostOf(profile)?.origin;
        return [
          `${output.paint("bold", printable(name, 64))}${data.active ? " (active)" : ""}: ${data.method}${where ? ` at ${where}` : ""}`,
          ...members.map(
            ([path, value]) => `  ${output.paint("dim", printable(path, 80).padEnd(width))}  ${printable(value, 200)}`,
          ),
        ];
      });
    },
  });

/** Names of members that hold a secret, at any depth. `tokenEnvVar` holds the name of a variable, which is none. */
const secretName = /token(?!EnvVar$)|secret|password|passphrase|api_?key|credential|cookie|authorization|private_?key/i;

/** All members by path, values as text; a possible secret becomes `[redacted]`. */
function flat(value: object, path: readonly string[] = []): [string, string][] {
  return Object.entries(value).flatMap(([key, inner]): [string, string][] => {
    const here = [...path, key];
    if (inner === undefined) return [];
    if (secretName.test(key)) return [[here.join("."), "[redacted]"]];
    if (typeof inner === "object" && inner !== null) return flat(inner, here);
    return [[here.join("."), withoutUser(String(inner))]];
  });
}

/** A URL may hold a user name and a password before its host. */
const withoutUser = (text: string) => text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, "$1[redacted]@");
