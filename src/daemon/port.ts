import type { Env } from "../core/env.ts";
import { parsePort } from "../core/parse.ts";
import { daemonFailure } from "./failures.ts";

/**
 * @param asked the `--port` flag, if given
 * @returns the port to listen on, flag over `CODEMIE_PROXY_PORT`; 0 for a random one
 * @throws usage error when that is no port
 */
export function portFor(env: Env, asked?: string): number {
  const given = asked ?? env.CODEMIE_PROXY_PORT;
  if (!given) return 0;
  const port = parsePort(given);
  if (port === undefined) throw daemonFailure.badPort(given, asked === undefined ? "CODEMIE_PROXY_PORT" : "--port");
  return port;
}
