import { join } from "node:path";
import * as z from "zod/mini";
import type { Context } from "../access/context.ts";
import { CodemieError, type ErrorCode, isErrorCode } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { ensureFolder } from "../platform/files.ts";
import { readOwn } from "../platform/private.ts";
import { startDetached } from "../platform/self.ts";
import { daemonFailure } from "./failures.ts";
import { fileNameOf, type GatewayState, ProxyStates } from "./state.ts";

/** First line of the started gateway: its URL once it listens, or its error. */
const firstLine = z.union([
  z.object({ url: z.string() }),
  z.object({
    error: z.object({
      code: z.custom<ErrorCode>(isErrorCode),
      message: z.string(),
      hint: z.nullable(z.string()),
    }),
  }),
]);

/**
 * Starts the gateway in the background and waits until it listens. Prints its warnings.
 *
 * @param flags flags of `codemie proxy start`; they must hold no secret, since the process list shows them
 * @param token a bearer token for the gateway, passed on its standard input
 * @returns the running gateway
 * @throws the gateway's own failure; `failed` when it ended without one; as {@link startDetached}; `disk`
 */
export async function serveDetached(
  { runtime, output }: Context,
  profile: string,
  flags: readonly string[],
  token: string | undefined,
): Promise<GatewayState> {
  const logs = join(runtime.home, "logs");
  await ensureFolder(logs);
  const log = join(logs, `proxy-${fileNameOf(profile)}.log`);
  const args = ["proxy", "start", "--json", ...flags, ...(token === undefined ? [] : ["--jwt-token", "-"])];
  const line = await startDetached(args, { env: runtime.env, stdin: token, log });
  const said = parseJson(line ?? "", firstLine);
  for (const warning of (readOwn(log) ?? "").split("\n").filter(Boolean)) output.say.info(warning);
  if (said && "error" in said) {
    const { code, message, hint } = said.error;
    throw new CodemieError(code, message, hint ?? undefined);
  }
  const state = said && (await new ProxyStates(runtime.home).running(profile));
  if (!state) throw daemonFailure.died(log);
  return state;
}
