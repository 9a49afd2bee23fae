declare const BUILD_VERSION: string | undefined;
declare const BUILD_COMMIT: string | undefined;
declare const BUILD_RELEASE_KEY: string | undefined;
declare const BUILD_TARGET: string | undefined;
declare const BUILD_INSTALL_BASE_URL: string | undefined;

/** `MAJOR.MINOR.PATCH`, nothing else: the platform's version gate refuses other forms (CodeMie fact 5.2). */
export const version = typeof BUILD_VERSION === "string" ? BUILD_VERSION : "0.0.0";

/** The line that `--version` prints. */
export const versionLine = `codemie ${version} (${typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "unbuilt"})`;

/** The Ed25519 key that signs this build's releases, 32 bytes in base64; null where they are unsigned. */
export const signingKey = (typeof BUILD_RELEASE_KEY === "string" && BUILD_RELEASE_KEY) || null;

/** The machine this build is for, as a release's archives name it: `linux-x64-musl`; null when it is not compiled. */
export const buildTarget = (typeof BUILD_TARGET === "string" && BUILD_TARGET) || null;

/** Where this build's releases are; "" when only its user knows. */
export const builtBaseUrl = typeof BUILD_INSTALL_BASE_URL === "string" ? BUILD_INSTALL_BASE_URL : "";

/** @returns true for a version of a release: three numbers, as in `1.2.3` */
export const isVersion = (text: string): boolean => /^(?:0|[1-9]\d{0,8})(?:\.(?:0|[1-9]\d{0,8})){2}$/.test(text);

/**
 * @param one a version, as {@link isVersion} knows it
 * @param than another one
 * @returns whether it is the older one
 */
export function isOlder(one: string, than: string): boolean {
  const [a, b] = [one, than].map((version) => version.split(".").map(Number));
  const differs = a?.findIndex((part, at) => part !== b?.[at]) ?? -1;
  return differs >= 0 && (a?.[differs] ?? 0) < (b?.[differs] ?? 0);
}
