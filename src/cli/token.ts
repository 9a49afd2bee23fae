import { cookieHeader } from "../auth/cookies.ts";
import { expiryOf } from "../auth/credential.ts";
import { failure } from "../core/errors.ts";
import { resolveProfile } from "../profiles/resolve.ts";
import { record } from "./auditing.ts";
import { type Cli, command, stores } from "./command.ts";
import { credentialsFor, forProfile } from "./session.ts";

const noRawForm = [
  "a browser session has no raw form: it is a set of cookies",
  "use --format header, or start the agent through codemie-claude",
] as const;
const formats = ["raw", "header", "json"];

export const token = (given: Cli) =>
  command({
    meta: { name: "token", description: "Print the credential, for a script" },
    examples: ["codemie token", 'curl -H "$(codemie token --format header)" …', "codemie token --format json"],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "profile whose credential to print" },
      format: { type: "string", valueHint: "FORMAT", default: "raw", description: "raw, header or json" },
    },
    async run({ args }) {
      const { runtime } = given;
      if (!formats.includes(args.format)) {
        throw failure.usage(`there is no format ${args.format}`, `formats: ${formats.join(", ")}`);
      }
      const { vault, profiles } = stores(runtime);
      const resolved = resolveProfile(await profiles.read(), { profile: args.profile }, runtime.env, {});
      const cli = forProfile(given, resolved);
      const lease = await credentialsFor(cli, vault, resolved).current();
      const { login } = lease;
      const bearer = lease.bearer?.token.reveal() ?? (login?.method === "oidc" ? login.accessToken : undefined);
      const cookie = login?.method === "sso" ? cookieHeader(login.cookies) : undefined;
      const expiresAt = lease.bearer?.expiresAt ?? (login ? expiryOf(login).at : null);
      const format = args.json ? "json" : args.format;
      if (format === "raw" && !bearer) throw failure.usage(...noRawForm);
      const fact = { event: "token-printed", profile: resolved.name, host: lease.origin, outcome: "ok" } as const;
      await record(cli, vault, { ...fact, detail: { format } });
      if (format === "json") {
        const document = {
          token: bearer ?? cookie,
          type: bearer ? "bearer" : "cookie",
          expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
        };
        runtime.terminal.out(`${JSON.stringify(document)}\n`);
      } else if (format === "header") {
        runtime.terminal.out(bearer ? `Authorization: Bearer ${bearer}\n` : `Cookie: ${cookie}\n`);
      } else runtime.terminal.out(`${bearer}\n`);
    },
  });
