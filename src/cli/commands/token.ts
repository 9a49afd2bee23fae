import { record } from "../../access/audit.ts";
import { credentialsFor, forProfile } from "../../access/credentials.ts";
import { givenToRun, subjectOf } from "../../access/given.ts";
import { stores } from "../../access/stores.ts";
import { apiFailure } from "../../api/failures.ts";
import { expiryOf } from "../../auth/credential.ts";
import { Secret } from "../../core/secret.ts";
import { resolveProfile } from "../../profiles/resolve.ts";
import { identityArgs, readIdentity, withIdentity } from "../credential-flags.ts";
import { cliFailure } from "../failures.ts";
import { type Cli, command } from "../frame/command.ts";
import { commandFailure } from "./failures.ts";

/** The usual spelling of header names; lower case would work as well. */
const headerNames: Readonly<Record<string, string>> = { authorization: "Authorization", cookie: "Cookie" };
const formats = ["raw", "header", "json"];

/** `codemie token`: the one command that prints a credential. It audits that before it prints. */
export const token = (outer: Cli) =>
  command({
    meta: { name: "token", description: "Print the credential, for a script" },
    examples: ["codemie token", "codemie token --format header | curl -H @- …", "codemie token --format json"],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "profile whose credential to print" },
      format: { type: "string", valueHint: "FORMAT", default: "raw", description: "raw, header or json" },
      ...identityArgs,
    },
    async run({ args }) {
      const given = withIdentity(outer, args["id-token"]);
      const { runtime } = given;
      if (!formats.includes(args.format)) throw cliFailure.noSuch("format", args.format, formats);
      const { vault, profiles } = stores(runtime);
      const resolved = resolveProfile(await profiles.read(), { profile: args.profile }, runtime.env, {});
      const cli = forProfile(given, resolved);
      const flags = { jwtToken: undefined, jwtTokenFile: undefined, apiKey: undefined, ...readIdentity(args) };
      const asked = await givenToRun(cli, flags, resolved);
      const credentials = credentialsFor(cli, vault, resolved, asked);
      const lease = await cli.output.awaiting(resolved.host.value.origin, () => credentials.current());
      const { login } = lease;
      if (lease.isOver) throw apiFailure.sessionEnded(lease.origin, resolved.name);
      if (lease.authorize.proofs) throw commandFailure.boundToken();
      const headers = new Headers();
      lease.authorize(headers);
      const [[header, value] = ["", ""]] = headers;
      const isCookie = header === "cookie";
      const credential = value.replace(/^Bearer /, "");
      const expiresAt = lease.bearer?.expiresAt ?? (login ? expiryOf(login).at : null);
      const format = args.json ? "json" : args.format;
      if (format === "raw" && isCookie) throw commandFailure.noRawForm();
      const fact = { event: "token-printed", profile: resolved.name, host: lease.origin, outcome: "ok" } as const;
      await record(cli, vault, { ...fact, detail: { format, ...(await subjectOf(asked, credentials)) } });
      runtime.terminal.mask(new Secret(credential));
      if (format === "json") {
        const document = {
          token: credential,
          type: isCookie ? "cookie" : resolved.host.value.kind === "provider" ? "api-key" : "bearer",
          expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
        };
        runtime.terminal.out(`${JSON.stringify(document)}\n`);
      } else if (format === "header") {
        runtime.terminal.out(`${headerNames[header] ?? header}: ${value}\n`);
      } else runtime.terminal.out(`${credential}\n`);
    },
  });
