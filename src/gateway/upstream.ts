import type { AnswerHead } from "../http1/answer.ts";
import type { HeaderRecord } from "./paths.ts";

/** A request on its way to the host. */
export interface UpstreamRequest {
  readonly method: string;
  /** its whole address */
  readonly url: string;
  /** by lower-case name; without `Host`, without anything about the body's length, and without the fixed ones */
  readonly headers: HeaderRecord;
  /** the headers of every request, the credential's among them: the same object for the same credential */
  readonly fixed: HeaderRecord;
  /** bytes that can be sent again; a stream that cannot, whose pieces are used up; or nothing */
  readonly body: ArrayBuffer | ReadableStream<Uint8Array> | null;
  /** the body's length, bytes; undefined for a stream whose length nobody knows */
  readonly length: number | undefined;
  /** gives the request up */
  readonly signal: AbortSignal;
}

/** An answer of the host, as it comes: compressed if it was, whole if it is short, at the reader's pace if it is not. */
export interface UpstreamAnswer extends AnswerHead {
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
}

/** The way to the host. */
export interface Upstream {
  /**
   * @throws what went wrong before the answer's head was there, with a `code` of the system's or of ours
   */
  send(request: UpstreamRequest): Promise<UpstreamAnswer>;
  /** Gives all connections up. */
  close(): void;
}
