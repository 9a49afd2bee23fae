/** A step on the way to a token, as `--explain` shows it. */
export interface Step {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** the specification that requires it */
  readonly reference?: string;
}

/** Called after each step. */
export type Trace = (step: Step) => void;

/** Discards the steps. */
export const noTrace: Trace = () => undefined;
