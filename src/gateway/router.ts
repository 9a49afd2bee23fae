import { H3, H3Event } from "h3";
import type { IncomingRequest } from "./paths.ts";
import type { Route, RouteHandler } from "./routes.ts";

/**
 * Has h3 find the route of a request, and nothing else: its `fetch` would empty answers to HEAD of their length, print
 * errors and put them in its own words, and refuse paths with an odd `%`.
 *
 * @param routes the table; its last line has to take any request
 * @returns judges and answers a request; throws what its guards and its answer throw
 */
export function routerOf(routes: readonly Route[]): (incoming: IncomingRequest) => ReturnType<RouteHandler> {
  const app = new H3();
  const rest = routes.at(-1) as Route;
  for (const route of routes) {
    app.on(route.method === "*" ? "" : route.method, route.path, ({ context }) => {
      const incoming = context.incoming as IncomingRequest;
      const { guards, answer } = isAsWritten(route.path, incoming.call.path) ? route : rest;
      for (const guard of guards) guard(incoming);
      return answer(incoming, context.params ?? {});
    });
  }
  return (incoming) => {
    const event = new H3Event(incoming.raw, { incoming });
    // h3 undoes escapes that nobody needs, and would take `/%68ealth` for `/health`.
    if (event.url.pathname !== incoming.call.path) event.url.pathname = incoming.call.path;
    return app.handler(event) as ReturnType<RouteHandler>;
  };
}

/** h3 takes `/health/` for `/health`. Two spellings of one path are how a guard is walked around. */
function isAsWritten(pattern: string, path: string): boolean {
  return !path.endsWith("/") || path === "/" || pattern.endsWith("/**");
}
