import { jsonValue } from "../../core/json-value.ts";
import type { IncomingAnswer } from "../../http1/message.ts";
import { readBody } from "../../platform/body.ts";
import { decoded } from "../attempt.ts";
import { RelayRefusal } from "./refusal.ts";
import type { Document } from "./rewrite.ts";

/** Longest document, bytes, compressed or not. */
const longestDocument = 1024 * 1024;

/** @returns the text of an answer; undefined when its coding is unknown or broken. @throws RelayRefusal when it is too long */
export async function wholeText({ headers, body }: IncomingAnswer, url: URL): Promise<string | undefined> {
  const tooLong = () => new RelayRefusal(502, "too-large", `${url.host} sent more than 1 MiB`, url.host);
  const { bytes, end } =
    body instanceof ReadableStream
      ? await readBody(body, longestDocument)
      : { bytes: body ?? new Uint8Array(), end: "whole" as const };
  if (end === "cut") throw tooLong();
  if (end === "broken") throw new RelayRefusal(502, "unreachable", `the answer of ${url.host} broke off`, url.host);
  const coding = headers["content-encoding"];
  const text = await decoded(bytes, coding, longestDocument);
  if (text === undefined)
    throw new RelayRefusal(
      502,
      "too-large",
      `${url.host} sent what unpacks to more than 1 MiB, or not at all`,
      url.host,
    );
  return text;
}

/** @returns the document; undefined when the text is none. @throws RelayRefusal when it is nested too deeply */
export function documentIn(text: string, url: URL): Document | undefined {
  try {
    const value = jsonValue(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Document) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError && error.message === "nested too deeply")
      throw new RelayRefusal(502, "unreadable", `${url.host} sent JSON that is nested too deeply`, url.host);
    return undefined;
  }
}
