import { forProfile } from "../../../access/credentials.ts";
import { givenToRun, warnOfShown } from "../../../access/given.ts";
import { stores } from "../../../access/stores.ts";
import { parseSeconds } from "../../../core/parse.ts";
import { Secret } from "../../../core/secret.ts";
import { serveDetached } from "../../../daemon/detach.ts";
import { portFor } from "../../../daemon/port.ts";
import { serve } from "../../../daemon/serve.ts";
import type { GatewayState } from "../../../daemon/state.ts";
import { resolveProfile } from "../../../profiles/resolve.ts";
import { identityArgs, readIdentity, withIdentity } from "../../credential-flags.ts";
import { cliFailure } from "../../failures.ts";
import { type Cli, command } from "../../frame/command.ts";
import { linesToUse, linesWithKey } from "./lines.ts";
import { type KnownProgram, knownPrograms } from "./programs.ts";

/** `codemie proxy start`. In the foreground it exits as {@link serve}; with `--detach` 0 once the gateway listens. */
export const proxyStart = (outer: Cli) =>
  command({
    meta: { name: "start", description: "Run the gateway on its own, for agents you start yourself" },
    examples: [
      "codemie proxy start",
      "codemie proxy start --detach --port 4001",
      "CODEMIE_JWT_TOKEN=… codemie proxy start --url https://codemie.example.com --json",
    ],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "profile to run with" },
      url: { type: "string", valueHint: "URL", description: "CodeMie host or its /code-assistant-api" },
      port: { type: "string", valueHint: "N", description: "port to listen on (else CODEMIE_PROXY_PORT, else any)" },
      detach: { type: "boolean", description: "run in the background" },
      drain: {
        type: "string",
        valueHint: "SECONDS",
        default: "4",
        description: "time that running requests get to end when the gateway stops",
      },
      timeout: {
        type: "string",
        valueHint: "SECONDS",
        description: "longest wait for the first byte of an answer, 0 for ever",
      },
      "jwt-token": { type: "string", valueHint: "TOKEN", description: "use this token (- reads standard input)" },
      "jwt-token-file": { type: "string", valueHint: "PATH", description: "use the token in this file" },
      ...identityArgs,
    },
    async run({ args }) {
      const given = withIdentity(outer, args["id-token"]);
      const { runtime } = given;
      const port = portFor(runtime.env, args.port);
      const drainSeconds = secondsOf("--drain", args.drain);
      const timeout = args.timeout === undefined ? undefined : secondsOf("--timeout", args.timeout);
      const wishes = { profile: args.profile, url: args.url, timeout };
      const resolved = resolveProfile(await stores(runtime).profiles.read(), wishes, runtime.env, {});
      const flags = {
        jwtToken: args["jwt-token"],
        jwtTokenFile: args["jwt-token-file"],
        apiKey: undefined,
        ...readIdentity(args),
      };
      const source = await givenToRun(given, flags, resolved);
      warnOfShown(given, flags);
      const known = given.output.json ? [] : await knownPrograms();
      if (args.detach) {
        const handedOn = Object.entries({
          profile: args.profile,
          url: args.url,
          port: args.port,
          drain: args.drain,
          timeout: args.timeout,
          "id-token": args["id-token"],
          audience: args.audience,
          issuer: args.issuer,
          "client-id": args["client-id"],
          scope: args.scope,
          "jwt-token-file": source?.kind === "file" ? source.path : undefined,
        }).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
        const token = source?.kind === "text" ? source.text : undefined;
        const begun = () => serveDetached(given, resolved.name, handedOn, token);
        report(given, known, await given.output.awaiting(resolved.host.value.origin, begun), true);
        return 0;
      }
      const cli = forProfile(given, resolved);
      return await serve(cli, resolved, source, {
        port,
        drainSeconds,
        ready: (state, isKept) => report(cli, known, state, isKept),
      });
    },
  });

/** @param isKept false: `codemie proxy env` will not find it, so the lines hold its key */
function report(cli: Cli, known: readonly KnownProgram[], state: GatewayState, isKept: boolean): void {
  const { url, key, pid, relay, host, profile } = state;
  for (const secret of [key, relay ?? ""]) if (secret) cli.runtime.terminal.mask(new Secret(secret));
  cli.output.result(
    { url, key, pid, relay },
    () => [
      `${cli.output.paint("good", "✓")} gateway for ${host} (profile ${profile}) at ${cli.output.paint("accent", url)}`,
      ...(isKept ? linesToUse : linesWithKey)(cli, known, state),
    ],
    true,
  );
}

function secondsOf(flag: string, text: string): number {
  const seconds = parseSeconds(text);
  if (seconds === undefined) throw cliFailure.notSeconds(flag, text, 10);
  return seconds;
}
