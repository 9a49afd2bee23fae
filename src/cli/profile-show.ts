import { hostOf, methodOf, resolveProfile } from "../profiles/resolve.ts";
import { findSecrets } from "../profiles/secrets.ts";
import { type Cli, command, stores } from "./command.ts";

export const profileShow = (cli: Cli) =>
  command({
    meta: { name: "show", description: "Show what a profile holds; no secret is in it" },
    examples: ["codemie profile show", "codemie profile show work --json"],
    args: { name: { type: "positional", required: false, description: "the profile (default: the active one)" } },
    async run({ args }) {
      const { runtime, output } = cli;
      const config = await stores(runtime).profiles.read();
      const { name, profile } = resolveProfile(config, { profile: args.name }, runtime.env, {});
      const secret = new Set(findSecrets({ ...config, profiles: { [name]: profile } }).map(({ member }) => member));
      const members = flat({ ...profile, name }).map(([path, value]): [string, string] => [
        path,
        secret.has(path) ? "[redacted]" : value,
      ]);
      const data = {
        name,
        active: name === config.activeProfile,
        method: methodOf(profile),
        settings: Object.fromEntries(members),
      };
      output.result(data, () => {
        const width = Math.max(...members.map(([path]) => path.length));
        const where = hostOf(profile)?.origin;
        return [
          `${output.paint("bold", name)}${data.active ? " (active)" : ""}: ${data.method}${where ? ` at ${where}` : ""}`,
          ...members.map(([path, value]) => `  ${output.paint("dim", path.padEnd(width))}  ${value}`),
        ];
      });
    },
  });

/** Members by their path, values as text. */
function flat(value: object, path: readonly string[] = []): [string, string][] {
  return Object.entries(value).flatMap(([key, inner]): [string, string][] => {
    const here = [...path, key];
    if (inner === undefined) return [];
    if (typeof inner === "object" && inner !== null && !Array.isArray(inner)) return flat(inner, here);
    return [[here.join("."), typeof inner === "string" ? inner : JSON.stringify(inner)]];
  });
}
