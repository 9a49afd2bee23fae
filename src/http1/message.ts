/** Headers by lower-case name, repeated ones joined with commas (RFC 9110 section 5.3). */
export type HeaderRecord = Readonly<Record<string, string>>;

/** A request on its way to the host. */
export interface OutgoingRequest {
  readonly method: string;
  /** the whole address */
  readonly url: string;
  /** by lower-case name; without `Host`, the headers of the body's length, and the fixed ones */
  readonly headers: HeaderRecord;
  /**
   * the headers that every request has, the credential's among them; the same object while the credential is the same
   */
  readonly fixed: HeaderRecord;
  /** bytes, which can be sent again; a stream, which cannot, and whose pieces are freed; or null for no body */
  readonly body: ArrayBuffer | ReadableStream<Uint8Array> | null;
  /** the body's length, bytes; undefined for a stream whose length nobody knows */
  readonly length: number | undefined;
  /** aborts the request */
  readonly signal: AbortSignal;
}

/**
 * An answer of the host. Its body stays compressed if it was; it is in one piece if short, else at the reader's pace.
 */
export interface IncomingAnswer extends AnswerHead {
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
}

/** Status and headers of an answer. */
export interface AnswerHead {
  readonly status: number;
  /** by lower-case name, repeated ones joined with commas (RFC 9110 section 5.3); without `Set-Cookie` */
  readonly headers: HeaderRecord;
  readonly setCookies: readonly string[];
}

/** Sends requests to one host. */
export interface HttpClient {
  /**
   * @returns the answer, once its head is complete
   * @throws an error before that: one with a `code` of the system's or of ours, or the signal's reason
   */
  send(request: OutgoingRequest): Promise<IncomingAnswer>;
  /** Closes all connections. */
  close(): void;
}
