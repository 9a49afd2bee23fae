import { betasFor } from "../../access/betas.ts";
import { callApi, credentialsFor, forProfile, listModels } from "../../access/credentials.ts";
import { stores } from "../../access/stores.ts";
import { errorSentence } from "../../api/judge.ts";
import { longestAnswer } from "../../api/schemas.ts";
import type { Credentials } from "../../auth/credentials.ts";
import { randomBytes } from "../../core/crypto.ts";
import { asCodemieError, CodemieError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { printable } from "../../core/text.ts";
import { versionLine } from "../../core/version.ts";
import { openGateway } from "../../daemon/open-gateway.ts";
import {
  type Check,
  examine,
  failed,
  failedWith,
  ok,
  type Result,
  type Status,
  skipped,
  warning,
} from "../../doctor/check.ts";
import { fileChecks } from "../../doctor/files.ts";
import { forwardFinding } from "../../doctor/forward.ts";
import { loginChecks } from "../../doctor/login.ts";
import { networkChecks } from "../../doctor/network.ts";
import { programChecks } from "../../doctor/programs.ts";
import { updateCheck } from "../../doctor/update.ts";
import { readBody } from "../../platform/body.ts";
import { stoppableFetch } from "../../platform/network.ts";
import { proxyFor } from "../../platform/proxy.ts";
import { environmentForOthers } from "../../profiles/environment.ts";
import { type Resolved, resolveProfile } from "../../profiles/resolve.ts";
import type { Vault } from "../../vault/vault.ts";
import { type Cli, command } from "../frame/command.ts";
import { allAgents, linkNames } from "./agent/agents.ts";

/** How long one check may take, ms. */
const limitMs = 15_000;

const order: readonly Status[] = ["failed", "warning", "ok", "skipped"];

/** `codemie doctor`. It exits 1 when a check fails; a warning does not count. */
export const doctor = (cli: Cli) =>
  command({
    meta: { name: "doctor", description: "Check everything that can be wrong, and say what to do" },
    examples: ["codemie doctor", "codemie doctor --verbose", "codemie doctor --json"],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "profile to look at (default: the active one)" },
      verbose: { type: "boolean", description: "show skipped checks too, and how long each check took" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const over = new AbortController();
      const fetch = stoppableFetch(runtime.fetch, over.signal);
      const checks = await checksFor({ ...cli, runtime: { ...runtime, fetch } }, args.profile);
      const results = await output.during("running the checks", () => examine(checks, limitMs));
      // A check that took too long has left requests behind, which would keep the process.
      over.abort();
      const shown = results.map((result) => withoutHome(result, runtime.env.HOME));
      const isOk = shown.every(({ status }) => status !== "failed");
      const data = shown.map(({ id, status, message, hint, ms }) => ({ id, status, message, hint: hint ?? null, ms }));
      output.result({ ok: isOk, checks: data }, () => linesOf(cli, shown, args.verbose ?? false));
      return isOk ? 0 : 1;
    },
  });

async function checksFor(outer: Cli, name: string | undefined): Promise<Check[]> {
  const { vault, profiles } = stores(outer.runtime);
  let resolved: Resolved | undefined;
  let unresolved: CodemieError | undefined;
  try {
    resolved = resolveProfile(await profiles.read(), { profile: name }, outer.runtime.env, {});
  } catch (error) {
    // Without a usable configuration there is no host to check; the configuration's own check says why.
    if (name !== undefined || !(error instanceof CodemieError)) throw error;
    if (error.code === "usage") unresolved = error;
  }
  const known = resolved;
  const cli = known ? forProfile(outer, known) : outer;
  const { runtime } = cli;
  const host = known?.host.value;
  const credentials = known && credentialsOf(cli, vault, known);
  const agents = await allAgents();
  return [
    ...fileChecks(runtime, profiles),
    profileCheck(known, unresolved),
    vaultCheck(vault),
    trailCheck(cli, vault),
    ...(await forwardChecks(cli)),
    ...networkChecks(host?.origin, runtime),
    ...loginChecks({
      runtime,
      credentials,
      issuer: known?.profile.oidc?.issuer,
      origin: host?.origin,
      api: host?.kind === "codemie" && credentials ? (call) => callApi(cli, credentials, host, call) : undefined,
      models: async () => (credentials && known ? await listModels(cli, credentials, known) : []),
      model: known?.model?.value,
    }),
    gatewayCheck(cli, known, credentials),
    relayCheck(cli, known, credentials),
    betasCheck(runtime.home, known),
    ...programChecks(runtime, agents, linkNames, environmentForOthers(runtime, profiles)),
    updateCheck(runtime),
  ];
}

/** If the credentials cannot be read, each check that uses them fails with the reason. */
function credentialsOf(cli: Cli, vault: Vault, known: Resolved): Credentials {
  try {
    return credentialsFor(cli, vault, known);
  } catch (error) {
    const failing = () => Promise.reject(error);
    return { current: failing, capture: failing, renew: failing };
  }
}

/** Sends a request through a gateway as an agent would: our own key, our own guard, the way to the host and back. */
function gatewayCheck(cli: Cli, known: Resolved | undefined, credentials: Credentials | undefined): Check {
  return {
    id: "gateway",
    title: "gateway",
    asks: known?.host.value.origin,
    async run(signal) {
      if (!known || !credentials) return skipped("no host is set up");
      const client = { name: "codemie-cli", model: undefined, repository: undefined, port: 0 };
      const gateway = openGateway(cli, known, credentials, client);
      try {
        const start = performance.now();
        const headers = { authorization: `Bearer ${gateway.key.reveal()}` };
        const answer = await cli.runtime.fetch(`${gateway.url}/v1/models`, { headers, signal });
        const { bytes } = await readBody(answer.body, longestAnswer);
        const text = new TextDecoder().decode(bytes);
        if (answer.status === 200)
          return ok(`a request there and back takes ${Math.round(performance.now() - start)} ms`);
        return failed(
          `it answered ${answer.status}: ${errorSentence(text, new Headers(headers)) ?? "no reason given"}`,
          "see the checks above",
        );
      } finally {
        await gateway.close();
      }
    },
  };
}

/** Opens a gateway with a relay, and tries what must not work. */
function relayCheck(cli: Cli, known: Resolved | undefined, credentials: Credentials | undefined): Check {
  return {
    id: "relay",
    title: "MCP relay",
    async run(signal) {
      if (!known || !credentials) return skipped("no host is set up");
      const { runtime } = cli;
      const [{ openRelay }, { relayFinding }] = await Promise.all([
        import("../../daemon/open-relay.ts"),
        import("../../doctor/relay.ts"),
      ]);
      const forgotten = { has: () => false, add: async () => undefined };
      const secret = new Secret(randomBytes(32).toString("base64url"));
      const relay = openRelay(cli, known.profile, { secret, clients: forgotten, tell: () => undefined });
      const client = { name: "codemie-cli", model: undefined, repository: undefined, port: 0, relay };
      const gateway = openGateway(cli, known, credentials, client);
      try {
        return await relayFinding({
          ask: async (path) => await runtime.fetch(gateway.url + path, { signal }),
          key: relay.key,
          privateHosts: known.profile.relayPrivateHosts ?? [],
          proxy: proxyFor(new URL("https://mcp.example.com"), runtime.env)?.url,
        });
      } finally {
        await gateway.close();
      }
    },
  };
}

/** Claude Code's betas at this host: as the profile sets them, or as an earlier run found. */
function betasCheck(home: string, known: Resolved | undefined): Check {
  return {
    id: "betas",
    title: "betas",
    async run() {
      if (!known) return skipped("no host is set up");
      const { on, refused } = betasFor(home, known.host.value, known.profile);
      if (!refused) return on ? ok("on, for Claude Code") : ok("off, as the profile says");
      const names = printable(refused.betas.join(", "), 200);
      return warning(
        `off, since the host refused ${names} on ${new Date(refused.at).toISOString().slice(0, 10)}`,
        "codemie config set betas on to try again, or off to leave it so",
      );
    },
  };
}

/** Variables of the shell may name a profile or host that does not exist. */
function profileCheck(known: Resolved | undefined, problem: CodemieError | undefined): Check {
  return {
    id: "profile",
    title: "profile",
    async run() {
      if (problem) return failedWith(problem);
      return known ? ok(printable(known.name, 64)) : skipped("no host is set up");
    },
  };
}

function vaultCheck(vault: Vault): Check {
  return {
    id: "vault",
    title: "vault",
    async run() {
      try {
        if (!(await vault.exists())) return skipped("nothing is stored yet");
        const records = await vault.records();
        const problem = records.flatMap((record) => ("problem" in record ? record.problem : []))[0];
        if (problem) return failedWith(problem);
        return ok(`opens, ${records.length} ${records.length === 1 ? "record" : "records"}`);
      } catch (error) {
        return failedWith(asCodemieError(error));
      }
    },
  };
}

/** The most lines of the trail that are checked here: more take more than a moment. */
const mostLines = 50_000;

/** Nobody asks the trail itself, so whoever looks whether all is well is told. */
function trailCheck({ runtime }: Cli, vault: Vault): Check {
  return {
    id: "audit-lines",
    title: "audit lines",
    async run() {
      if (!(await vault.exists())) return skipped("nothing is stored yet");
      const { auditTrail } = await import("../../access/audit.ts");
      const { auditFailure } = await import("../../audit/failures.ts");
      const trail = auditTrail(runtime, vault);
      const { length } = await trail.entries();
      if (length > mostLines) return skipped(`there are ${length} of them: codemie audit verify checks them`);
      const verdict = await trail.verify();
      if ("unread" in verdict) return failedWith(auditFailure.unread(verdict.unread));
      if (!verdict.ok) return failedWith(auditFailure.broken(verdict.file, verdict.line, verdict.why));
      return ok(`whole: ${verdict.entries} ${verdict.entries === 1 ? "line" : "lines"}`);
    },
  };
}

/** There is nothing to check where nobody has the trail sent anywhere. */
async function forwardChecks(cli: Cli): Promise<Check[]> {
  const to = await stores(cli.runtime).profiles.auditForward();
  if (to === undefined) return [];
  const check = async () => {
    const { forwarderOf } = await import("../../access/forwarding.ts");
    return forwardFinding(to, await forwarderOf(cli).state(to));
  };
  return [{ id: "audit-forward", title: "audit trail", run: check }];
}

/** Hides the path of the home folder: it often holds a person's name, and the output may go into a ticket. */
function withoutHome(result: Result, home: string | undefined): Result {
  const short = (text: string) => (home && home !== "/" ? text.replaceAll(home, "~") : text);
  return { ...result, message: short(result.message), hint: result.hint && short(result.hint) };
}

function linesOf({ runtime, output }: Cli, results: readonly Result[], verbose: boolean): string[] {
  const mark: Record<Status, string> = {
    ok: output.paint("good", "✓"),
    warning: output.paint("warn", "!"),
    failed: output.paint("bad", "✗"),
    skipped: output.paint("dim", "-"),
  };
  const width = Math.max(...results.map(({ title }) => title.length));
  const lines = [
    output.paint("dim", `${versionLine}, ${runtime.platform}, ${new Date(runtime.now()).toISOString().slice(0, 16)}Z`),
    "",
  ];
  for (const status of order) {
    for (const { title, message, hint, ms, ...result } of results.filter((one) => one.status === status)) {
      if (result.status === "skipped" && !verbose) continue;
      const time = verbose ? output.paint("dim", `  ${ms} ms`) : "";
      lines.push(`${mark[result.status]} ${title.padEnd(width)}  ${message}${time}`);
      if (hint && status !== "ok") lines.push(`  ${" ".repeat(width)}  ${output.paint("accent", "hint:")} ${hint}`);
    }
  }
  const count = (status: Status) => results.filter((one) => one.status === status).length;
  const [bad, unsure] = [count("failed"), count("warning")];
  const sum =
    bad > 0 ? `${bad} failed` : unsure > 0 ? `nothing failed, ${unsure} to look at` : "everything is as it should be";
  return [...lines, "", sum];
}
