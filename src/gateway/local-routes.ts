import type { Model } from "../api/schemas.ts";
import type { HeaderRecord } from "../http1/message.ts";
import type { Guard } from "./guard.ts";
import { modelsAnswer, modelsQuestion } from "./models.ts";
import type { Call } from "./paths.ts";

/** A route that is answered here and not upstream. */
export interface LocalRoute {
  /** true: without the gateway's key */
  readonly open: boolean;
  /** @returns the answer, or undefined for "no such thing" */
  answer(headers: HeaderRecord): Promise<Response | undefined> | Response | undefined;
}

export interface LocalOptions {
  readonly counts: Readonly<Record<string, number>>;
  readonly guardKey: Guard;
  readonly models?: () => Promise<readonly Model[]>;
}

/**
 * @param options what the answers are made of
 * @returns finds the route that answers a call here, if there is one
 */
export function localRoutes({ counts, guardKey, models }: LocalOptions) {
  // Whoever has no key learns that something lives here, and no more.
  const alive: LocalRoute = {
    open: true,
    answer: (headers) => Response.json(guardKey(headers) ? { status: "ok" } : { status: "ok", ...counts }),
  };
  // Claude Code asks this at its start, without a key, to see whether somebody listens.
  const listens: LocalRoute = { open: true, answer: () => new Response(null) };
  // Agents report about their users to their makers. What is asked here stays here.
  const report: LocalRoute = { open: false, answer: () => Response.json({ success: true }) };
  const settings: LocalRoute = { open: false, answer: () => Response.json({}) };

  return ({ method, path }: Call, headers: HeaderRecord): LocalRoute | undefined => {
    if (path === "/api/event_logging/batch") return report;
    if (method === "HEAD" && path === "/") return listens;
    if (method !== "GET") return undefined;
    if (path === "/health" || path === "/ready") return alive;
    if (path.endsWith("/managed-settings")) return settings;
    const question = models && modelsQuestion(path, headers);
    if (!question) return undefined;
    return {
      open: false,
      async answer() {
        const document = modelsAnswer(question, await models());
        return document === undefined ? undefined : Response.json(document);
      },
    };
  };
}
