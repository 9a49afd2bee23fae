import * as z from "zod/mini";
import { parseJson } from "../../core/json.ts";

/**
 * The payload of the hand-off (CodeMie fact 2.1): JSON in standard base64, in the `token` parameter. A host without
 * oauth2-proxy in front of it leaves `cookies` out.
 */
const payload = z.object({
  provider: z.string().check(z.maxLength(200)),
  cookies: z.optional(z.record(z.string(), z.string())),
});
export type Handoff = z.infer<typeof payload>;

/** Path of the callback that the host redirects the browser to. */
export const handoffPath = "/auth";

/**
 * Reads the hand-off from the callback's URL. It accepts variants of base64 (base64url, missing padding, a `+` that
 * became a space), but checks the content strictly.
 *
 * @param url the callback's URL
 * @returns the payload, or undefined when the URL holds no valid one
 */
export function readHandoff(url: URL): Handoff | undefined {
  const token = url.searchParams.get("token");
  if (!token || !/^[A-Za-z0-9+/_\- ]+={0,2}$/.test(token)) return undefined;
  const base64 = token.replaceAll(" ", "+").replaceAll("-", "+").replaceAll("_", "/");
  return parseJson(Buffer.from(base64, "base64").toString("utf8"), payload);
}
