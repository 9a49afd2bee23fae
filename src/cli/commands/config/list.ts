import { stores } from "../../../access/stores.ts";
import { type Settled, type Sourced, settleProfile } from "../../../profiles/resolve.ts";
import { settings } from "../../../profiles/settings.ts";
import { readRepositoryProfile } from "../../../profiles/store.ts";
import { type Cli, command } from "../../frame/command.ts";
import { narrow, without } from "../../frame/output.ts";
import { settingOf } from "./settings.ts";

/** `codemie config list`. It works without a host and without a login. */
export const configList = (cli: Cli) =>
  command({
    meta: { name: "list", description: "Show the settings that apply here and now" },
    examples: ["codemie config list", "codemie config list --sources"],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "profile to look at (default: the active one)" },
      sources: { type: "boolean", description: "show where each value comes from" },
    },
    async run({ args }) {
      const { output } = cli;
      const found = await effective(cli, args.profile);
      const data = Object.fromEntries(
        found.map(({ key, value, source }) => [key, args.sources ? { value, source } : value]),
      );
      output.result(data, () => {
        const heading = args.sources ? ["SETTING", "VALUE", "FROM"] : ["SETTING", "VALUE"];
        const rows = found.map(({ key, value, source }) => [key, value === null ? "-" : String(value), source]);
        return output.table(
          [heading, ...rows.map((row) => row.slice(0, heading.length))],
          [without("FROM"), narrow("VALUE", 20)],
        );
      });
    },
  });

/** `codemie config get KEY`. A setting without a value prints nothing and exits 1. */
export const configGet = (cli: Cli) =>
  command({
    meta: { name: "get", description: "Print one setting that applies here and now" },
    examples: ["codemie config get model"],
    args: {
      key: { type: "positional", required: true, description: "the setting, as in codemie config list" },
      profile: { type: "string", valueHint: "NAME", description: "profile to look at (default: the active one)" },
    },
    async run({ args }) {
      const found = await effective(cli, args.profile);
      const named = (name: string) => found.find(({ key }) => key.toLowerCase() === name.toLowerCase());
      const setting = () => settingOf(args.key).name;
      const { key, value, source } = named(args.key) ??
        named(setting()) ?? { key: setting(), value: null, source: "default" };
      cli.output.result({ key, value, source }, () => (value === null ? [] : [String(value)]));
      return value === null ? 1 : 0;
    },
  });

interface Effective {
  readonly key: string;
  readonly value: string | number | null;
  readonly source: string;
}

/** Every setting with its value and source: flag over environment over repository over profile over default. */
async function effective(cli: Cli, profile: string | undefined): Promise<Effective[]> {
  const { runtime } = cli;
  const config = await stores(runtime).profiles.read();
  const resolved = settleProfile(config, { profile }, runtime.env, await readRepositoryProfile(runtime.cwd));
  const row = (key: string, found: Sourced<string | number> | undefined): Effective => ({
    key,
    value: found?.value ?? null,
    source: found?.source ?? "default",
  });
  const { host, timeout, model, project, profile: own } = resolved;
  const resolvedHere: Record<string, Sourced<string | number> | undefined> = {
    model,
    codeMieProject: project,
    timeout,
  };
  return [
    { key: "profile", value: resolved.name, source: sourceOfName(resolved, profile, runtime.env.CODEMIE_PROFILE) },
    row(
      "url",
      host && { value: host.value.kind === "provider" ? host.value.api : host.value.origin, source: host.source },
    ),
    ...settings.flatMap(({ name, write, isOfAll }) => {
      if (write) return [];
      if (isOfAll) {
        const value = config[name];
        return typeof value === "string" ? { key: name, value, source: "configuration" } : row(name, undefined);
      }
      if (name in resolvedHere) return row(name, resolvedHere[name]);
      const value = own[name];
      return row(
        name,
        typeof value === "string" || typeof value === "number" ? { value, source: "profile" } : undefined,
      );
    }),
  ];
}

function sourceOfName({ host, exists }: Settled, flag: string | undefined, variable: string | undefined): string {
  if (flag !== undefined) return "flag";
  if (variable) return "environment";
  if (!exists) return "default";
  return host?.source === "environment" ? "environment" : "profile";
}
