/** A package whose code is in the program, and the licence that it is under. */
export interface Licensed {
  readonly name: string;
  readonly version: string;
  /** SPDX identifier */
  readonly license: string;
  /** the words of the licence */
  readonly text: string;
}

declare const BUILD_LICENSES: readonly Licensed[] | undefined;

/** All that is bundled: the build fills it in. It is long, so load this file only to show it. */
export const licenses: readonly Licensed[] = typeof BUILD_LICENSES === "object" ? BUILD_LICENSES : [];
