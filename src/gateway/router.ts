import { type EventHandler, H3, H3Event } from "h3";
import type { IncomingRequest } from "./paths.ts";
import type { Route, RouteHandler } from "./routes.ts";

/**
 * Lets h3 find the route of a request, and do nothing else. Its `fetch` would drop the length of answers to HEAD, print
 * errors and replace their texts, and refuse paths with an odd `%`.
 *
 * @param routes the table; its last line must accept any request
 * @returns a function that runs the guards and the answer of a request's route, and throws what they throw
 */
export function routerOf(routes: readonly Route[]): (incoming: IncomingRequest) => ReturnType<RouteHandler> {
  const app = new H3();
  const rest = routes.at(-1) as Route;
  for (const route of routes) {
    const handle: EventHandler = ({ context }) => {
      const incoming = context.incoming as IncomingRequest;
      const { guards, answer } = isAsWritten(route.path, incoming.call.path) ? route : rest;
      for (const guard of guards) guard(incoming);
      return answer(incoming, context.params ?? {});
    };
    app.on(route.method === "*" ? "" : route.method, route.path, handle);
    if (route.method === "GET") app.on("HEAD", route.path, handle);
  }
  return (incoming) => {
    const event = new H3Event(incoming.raw, { incoming });
    // h3 decodes needless escapes, and would take `/%68ealth` for `/health`.
    if (event.url.pathname !== incoming.call.path) event.url.pathname = incoming.call.path;
    return app.handler(event) as ReturnType<RouteHandler>;
  };
}

/** h3 takes `/health/` for `/health`; a second spelling of a path is a way around a guard. */
function isAsWritten(pattern: string, path: string): boolean {
  return !path.endsWith("/") || path === "/" || pattern.endsWith("/**");
}
