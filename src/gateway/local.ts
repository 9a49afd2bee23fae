import type { Model } from "../api/schemas.ts";
import type { KeyGuard } from "./guard.ts";
import { modelsAnswer, modelsQuestion } from "./models.ts";
import type { Call } from "./paths.ts";

/** A route that is answered here and not upstream. */
export interface LocalRoute {
  /** true: without the gateway's key */
  readonly open: boolean;
  takes(call: Call, headers: Headers): boolean;
  /** @returns the answer, or undefined for "no such thing" */
  answer(call: Call, request: Request): Promise<Response | undefined> | Response | undefined;
}

export interface LocalOptions {
  readonly counts: Readonly<Record<string, number>>;
  readonly guardKey: KeyGuard;
  readonly models?: () => Promise<readonly Model[]>;
}

/**
 * @param options what the answers are made of
 * @returns the routes the gateway answers itself
 */
export function localRoutes({ counts, guardKey, models }: LocalOptions): LocalRoute[] {
  const routes: LocalRoute[] = [
    {
      // Whoever has no key learns that something lives here, and no more.
      open: true,
      takes: ({ method, path }) => method === "GET" && (path === "/health" || path === "/ready"),
      answer: (_, { headers }) => Response.json(guardKey(headers) ? { status: "ok" } : { status: "ok", ...counts }),
    },
    {
      // Claude Code asks this at its start, without a key, to see whether somebody listens.
      open: true,
      takes: ({ method, path }) => method === "HEAD" && path === "/",
      answer: () => new Response(null),
    },
    {
      // Agents report about their users to their makers. What is asked here stays here.
      open: false,
      takes: ({ path }) => path === "/api/event_logging/batch",
      answer: () => Response.json({ success: true }),
    },
    {
      open: false,
      takes: ({ method, path }) => method === "GET" && path.endsWith("/managed-settings"),
      answer: () => Response.json({}),
    },
  ];
  if (models) {
    routes.push({
      open: false,
      takes: ({ method, path }, headers) => modelsQuestion(method, path, headers) !== undefined,
      async answer({ method, path }, { headers }) {
        const question = modelsQuestion(method, path, headers);
        const document = question && modelsAnswer(question, await models());
        return document === undefined ? undefined : Response.json(document);
      },
    });
  }
  return routes;
}
