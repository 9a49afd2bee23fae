/** How the revision of MCP that a message belongs to wants it carried; transports follow it and know no revision. */
export interface Carriage {
  /** true: within the session; its stream may be resumed, and the server may speak the older transport only */
  readonly hasSession: boolean;
  /** true: a request is cancelled by ending its HTTP request, and by nothing else */
  readonly endsToCancel: boolean;
  /**
   * @param text the message
   * @returns headers made from it
   */
  headers(text: string): Readonly<Record<string, string>>;
}

/** Of the revisions that open a session (2025-11-25 and before). */
export const inSession: Carriage = { hasSession: true, endsToCancel: false, headers: () => ({}) };
