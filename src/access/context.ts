import type { Runtime } from "../platform/runtime.ts";

/** The part of a command's surroundings that this room needs: the machine, and a way to tell the person something. */
export interface Context {
  readonly runtime: Runtime;
  readonly output: { readonly say: { info(text: string): void; warn(text: string): void } };
}
