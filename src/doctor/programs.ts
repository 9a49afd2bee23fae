import { basename, dirname } from "node:path";
import type { Agent } from "../agents/agent.ts";
import { packageVersion } from "../agents/version.ts";
import type { ForeignEnv } from "../core/env.ts";
import { parsePort } from "../core/parse.ts";
import { isFreePort } from "../platform/diagnose.ts";
import { realPath } from "../platform/files.ts";
import { findProgram, versionOf } from "../platform/processes.ts";
import type { Runtime } from "../platform/runtime.ts";
import { ownProgram } from "../platform/self.ts";
import { type Check, failed, ok, skipped, warning } from "./check.ts";

/** An agent that may be installed. */
export type KnownAgent = Pick<Agent, "name" | "title" | "binary" | "package">;

/**
 * @param agents the agents we can run
 * @param links the other names of this program
 * @param agentEnv the environment in which agents run to print their version
 * @returns the checks of programs on this machine: agents, PATH and links, the fixed port
 */
export function programChecks(
  runtime: Runtime,
  agents: readonly KnownAgent[],
  links: readonly string[],
  agentEnv: ForeignEnv,
): Check[] {
  const { env } = runtime;
  return [
    {
      id: "agents",
      title: "agents",
      async run() {
        const silent: string[] = [];
        const found = await Promise.all(
          agents.map(async (agent) => {
            const path = findProgram(agent.binary, env);
            if (path === undefined) return [];
            const version = (await packageVersion(agent, path, env)) ?? (await versionOf(path, agentEnv));
            if (version === undefined) silent.push(agent.binary);
            return `${agent.title} ${version ?? "(it did not tell its version)"}`;
          }),
        );
        const there = found.flat().join(", ");
        if (silent.length > 0) return warning(there, `see what it says itself: ${silent[0]} --version`);
        if (there) return ok(there);
        return warning("no coding agent is on PATH", `for example: codemie install ${agents[0]?.name ?? ""}`);
      },
    },
    {
      id: "path",
      title: "PATH and links",
      async run() {
        const own = await realPath(ownProgram());
        const found = findProgram("codemie", env);
        if (!found) return warning("codemie is not on PATH", `add ${dirname(own)} to PATH`);
        if ((await realPath(found)) !== own) {
          return warning(`PATH leads to another codemie: ${found}`, `remove it, or put ${dirname(own)} first`);
        }
        const missing: string[] = [];
        for (const name of links) {
          const link = findProgram(name, env);
          if (!link || (await realPath(link)) !== own) missing.push(name);
        }
        if (missing.length === 0) return ok(`${found}, and ${links.join(", ")}`);
        const isBeside = (await realPath(dirname(found))) === dirname(own);
        return warning(
          `no link for ${missing.join(", ")}`,
          isBeside ? "codemie self link" : `ln -sf ${basename(found)} ${dirname(found)}/${missing[0]}`,
        );
      },
    },
    {
      id: "port",
      title: "port",
      async run() {
        const text = env.CODEMIE_PROXY_PORT;
        if (!text) return skipped("no fixed port is set");
        const port = parsePort(text);
        if (port === undefined) {
          return failed(
            `CODEMIE_PROXY_PORT is ${text.slice(0, 20)}, which is not a port`,
            "a port is a number from 1 to 65535",
          );
        }
        if (await isFreePort(port)) return ok(`${port} is free`);
        return warning(`${port} is taken`, "a gateway of ours may run there: see codemie proxy status");
      },
    },
  ];
}
