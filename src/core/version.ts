declare const BUILD_VERSION: string | undefined;
declare const BUILD_COMMIT: string | undefined;
declare const BUILD_RELEASE_KEY: string | undefined;

/** `MAJOR.MINOR.PATCH`, nothing else: the platform's version gate refuses other forms (CodeMie fact 5.2). */
export const version = typeof BUILD_VERSION === "string" ? BUILD_VERSION : "0.0.0";

/** The line that `--version` prints. */
export const versionLine = `codemie ${version} (${typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "unbuilt"})`;

/** The Ed25519 key that signs this build's releases, 32 bytes in base64; null where they are unsigned. */
export const signingKey = (typeof BUILD_RELEASE_KEY === "string" && BUILD_RELEASE_KEY) || null;
