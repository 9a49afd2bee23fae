import type { Runtime } from "../platform/runtime.ts";

/** All that the credential of a run is worked out with: the machine, and a way to tell the person something. */
export interface Context {
  readonly runtime: Runtime;
  readonly output: { readonly say: { info(text: string): void; warn(text: string): void } };
}
