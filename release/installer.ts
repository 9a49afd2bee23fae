import { join } from "node:path";
import { linkNames } from "../src/cli/commands/agent/agents.ts";
import type { Edition } from "./compile.ts";
import { pemBody, rawSignature, sshPublicKey, sshSignature } from "./signature.ts";

/** A text that the installer has checked first, to know which program on its machine can check such a signature at all. */
const trial = "codemie\n";

/**
 * @returns the text of `install.sh` for a release: with its version, its names and its key
 * @throws Error when a value would end the quotes it stands in
 */
export async function installer({ version, key, baseUrl }: Edition): Promise<string> {
  const values: Record<string, string> = {
    VERSION: version,
    BASE_URL: baseUrl,
    LINKS: linkNames.join(" "),
    KEY_PEM: key ? pemBody(key) : "",
    KEY_SSH: key ? sshPublicKey(key) : "",
    TRIAL_RAW: key ? rawSignature(Buffer.from(trial), key).toString("base64") : "",
    TRIAL_SSH: key ? sshSignature(Buffer.from(trial), key).trimEnd() : "",
  };
  const template = await Bun.file(join(import.meta.dir, "install.sh")).text();
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined || /['\\]/.test(value)) throw new Error(`the installer cannot hold this ${name}`);
    return value;
  });
}
