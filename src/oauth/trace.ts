/** A step on the way to a token, for whoever wants to see how it went. */
export interface Step {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** the specification that asks for it */
  readonly reference?: string;
}

/** Takes the steps as they are done. */
export type Trace = (step: Step) => void;

/** For whoever does not want to see them. */
export const noTrace: Trace = () => undefined;
