import type { Runtime } from "../platform/runtime.ts";

/** How often a person may type a passphrase. */
export const mostTries = 3;

/** Runs work, and tells the person whom it waits for once that takes a while. */
export type Awaiting = <T>(what: string, work: () => Promise<T>) => Promise<T>;

/** The part of a command's surroundings that this room needs: the machine, and a way to tell the person something. */
export interface Context {
  readonly runtime: Runtime;
  readonly output: {
    readonly say: { info(text: string): void; warn(text: string): void };
    /** absent where the screen is another program's */
    readonly awaiting?: Awaiting;
  };
}

/** Runs `work`, and tells the person whom it waits for, if the context can. @throws as `work` */
export async function awaiting<T>({ output }: Context, what: string, work: () => Promise<T>): Promise<T> {
  return await (output.awaiting ? output.awaiting(what, work) : work());
}
