import { credentialsFor, forProfile, listModels } from "../../access/credentials.ts";
import { givenToRun, warnOfShown } from "../../access/given.ts";
import { stores } from "../../access/stores.ts";
import type { Model } from "../../api/schemas.ts";
import { printable } from "../../core/text.ts";
import { resolveProfile } from "../../profiles/resolve.ts";
import { readRepositoryProfile } from "../../profiles/store.ts";
import { credentialArgs, readCredential, withIdentity } from "../credential-flags.ts";
import { type Cli, command } from "../frame/command.ts";
import { narrow, without } from "../frame/output.ts";

/** `codemie models list`. Fails as {@link listModels}. */
export const modelsList = (outer: Cli) =>
  command({
    meta: { name: "list", description: "List the models your account may use" },
    examples: [
      "codemie models",
      "codemie models --json",
      "codemie models --url https://codemie.example.com --jwt-token-file token.txt",
    ],
    args: { profile: { type: "string", valueHint: "NAME", description: "profile to use" }, ...credentialArgs },
    async run({ args }) {
      const given = withIdentity(outer, args["id-token"]);
      const { runtime, output } = given;
      const { vault, profiles } = stores(runtime);
      const repository = await readRepositoryProfile(runtime.cwd);
      const resolved = resolveProfile(
        await profiles.read(),
        { profile: args.profile, url: args.url },
        runtime.env,
        repository,
      );
      const cli = forProfile(given, resolved);
      const host = resolved.host.value;
      const asked = readCredential(args);
      warnOfShown(cli, asked);
      const credentials = credentialsFor(cli, vault, resolved, await givenToRun(cli, asked, resolved));
      await output.awaiting(host.origin, () => credentials.current()); // without a usable login, fail before the progress line
      const models = await output.during(`asking ${host.origin} for its models`, () =>
        listModels(cli, credentials, resolved),
      );
      const current = resolved.model?.value ?? models.find((model) => model.default)?.id;
      output.result(models, () => [
        ...output.table(
          [
            [" ", "MODEL", "LABEL", "PROVIDER", "IN $/M", "OUT $/M"],
            ...models.map(({ id, label, provider, cost }) => [
              id === current ? "*" : " ",
              printable(id),
              printable(label),
              printable(provider ?? "-"),
              perMillion(cost?.input),
              perMillion(cost?.output),
            ]),
          ],
          [
            without("PROVIDER"),
            narrow("LABEL", 12),
            without("LABEL"),
            without("OUT $/M"),
            without("IN $/M"),
            narrow("MODEL", 20),
          ],
        ),
        ...footer(models, current).map((line) => output.paint("dim", line)),
      ]);
    },
  });

/** @returns what the columns mean, where they say something */
function footer(models: readonly Model[], current: string | undefined): string[] {
  const mark = models.some(({ id }) => id === current) ? ["* used when no model is given"] : [];
  return models.some(({ cost }) => cost) ? [...mark, "prices in USD per million tokens"] : mark;
}

function perMillion(perToken: number | undefined): string {
  return perToken === undefined ? "-" : (perToken * 1e6).toFixed(2);
}
