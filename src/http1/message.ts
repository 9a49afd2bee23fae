/** Headers by lower-case name, repeated ones joined with commas (RFC 9110 section 5.3). */
export type HeaderRecord = Readonly<Record<string, string>>;

/** A request on its way to the host. */
export interface OutgoingRequest {
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
   * @throws what went wrong before the answer's head was there, with a `code` of the system's or of ours
   */
  send(request: OutgoingRequest): Promise<IncomingAnswer>;
  /** Gives all connections up. */
  close(): void;
}
