import type { Secret } from "../core/secret.ts";
import { deriveKey, freshKdf, requireLength } from "./kdf.ts";
import { labelOf, seal, unseal } from "./seal.ts";

/** The name that an export is bound to, with the format's version. */
const exportName = "codemie vault 1 export";

/**
 * Seals bytes for another machine, with a passphrase of their own.
 *
 * @returns the export's text, one line of JSON
 * @throws usage error when the passphrase is too short
 */
export async function sealExport(plain: Uint8Array, passphrase: Secret): Promise<string> {
  requireLength(passphrase);
  const kdf = freshKdf();
  return await seal(plain, await deriveKey(passphrase, kdf), exportName, kdf);
}

/**
 * Opens an export made by {@link sealExport}.
 *
 * @param text the file's content
 * @param ask yields the passphrase; called only for a file that looks like an export
 * @returns the content, or why it does not open: `malformed` when the file is no export, `newer` when this version does
 *   not know its form, `wrong` when the passphrase does not open it (or somebody changed the file)
 */
export async function openExport(
  text: string,
  ask: () => Promise<Secret>,
): Promise<{ plain: Uint8Array } | { failed: "malformed" | "newer" | "wrong" }> {
  const label = labelOf(text);
  if (label && /^codemie vault \d+ export$/.test(label.name) && label.name !== exportName) return { failed: "newer" };
  if (label?.name !== exportName || label.kdf === undefined) return { failed: "malformed" };
  if (label.kdf === "unknown") return { failed: "newer" };
  const opened = await unseal(text, await deriveKey(await ask(), label.kdf), exportName);
  return "plain" in opened ? opened : { failed: "wrong" };
}
