import { z } from "zod";
import { parseJson } from "../../core/json.ts";

/**
 * The payload of the hand-off (CodeMie fact 2.1): standard base64 of JSON in the `token` parameter. A host without a
 * cookie front leaves `cookies` out.
 */
const payload = z.object({
  provider: z.string().max(200),
  cookies: z.record(z.string(), z.string()).optional(),
});
export type Handoff = z.infer<typeof payload>;

/** Path the host redirects the browser to. */
export const handoffPath = "/auth";

/**
 * Reads the hand-off out of the callback's URL. The alphabet is read tolerantly (base64url, missing padding, a `+` that
 * became a space), the content strictly.
 *
 * @param url the callback's URL
 * @returns the payload, or undefined when the URL carries none
 */
export function readHandoff(url: URL): Handoff | undefined {
  const token = url.searchParams.get("token");
  if (!token || !/^[A-Za-z0-9+/_\- ]+={0,2}$/.test(token)) return undefined;
  const base64 = token.replaceAll(" ", "+").replaceAll("-", "+").replaceAll("_", "/");
  return parseJson(Buffer.from(base64, "base64").toString("utf8"), payload);
}

/**
 * Reads what a person pasted: the address the browser ended up at.
 *
 * @param pasted one line
 * @param port the port we asked the host to redirect to
 * @returns the callback's URL, or undefined when it is another address
 */
export function readPastedUrl(pasted: string, port: number): URL | undefined {
  const url = URL.parse(pasted.replace(/\s+/g, ""));
  const ours = url && url.protocol === "http:" && url.pathname === handoffPath && Number(url.port) === port;
  return ours && (url.hostname === "localhost" || url.hostname === "127.0.0.1") ? url : undefined;
}
