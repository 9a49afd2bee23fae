import type { OutgoingLine } from "./outbox.ts";

/** How far a receiver took the lines that it was sent. */
export interface Delivery {
  /** how many of them, from the first on, need not be sent again */
  readonly done: number;
  /** how many of those the receiver will never take, and why */
  readonly refused?: { readonly lines: number; readonly why: string } | undefined;
  /** why the rest has not arrived yet */
  readonly trouble?: Trouble | undefined;
}

/** Why a receiver took nothing, for now. */
export interface Trouble {
  readonly why: string;
  /** how long it shall be left alone, ms; undefined: it did not say */
  readonly afterMs?: number | undefined;
}

/** The other side of the forwarding. */
export interface Receiver {
  /**
   * Sends lines, in order. A line may arrive twice, when nobody can know whether it arrived.
   *
   * @param signal ends it; the lines that have not arrived by then are sent again later
   * @returns what became of them; it does not throw
   */
  send(lines: readonly OutgoingLine[], signal: AbortSignal): Promise<Delivery>;
}

/** How grave a line is: everything is as usual, something was refused or failed, or the trail itself suffered. */
export type Gravity = "usual" | "failed" | "grave";

/** @param outcome of the line */
export function gravityOf({ entry: { outcome } }: OutgoingLine): Gravity {
  if (outcome === "ok") return "usual";
  return outcome === "broken" || outcome === "missing" ? "grave" : "failed";
}
