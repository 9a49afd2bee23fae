import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { codemie, Person } from "../support/codemie.ts";
import { measured } from "../support/measured.ts";
import { cases } from "../support/tiers.ts";
import { sealCheaply } from "../support/vault-access.ts";

/** Threat: an export made by somebody else fills the memory of the machine that imports it. */

const passphrase = "a passphrase for the way";
const megabyte = 1024 * 1024;

for (const [what, entry] of cases(
  [
    ["numbers", "0,"],
    ["objects that are no records", '{"name":1},'],
  ] as const,
  1,
)) {
  test(`20 MB of ${what} in place of records: an error, and a few times the file's length of memory`, async () => {
    const person = new Person();
    const file = join(person.root, "export");
    const entries = entry.repeat((20 * megabyte) / entry.length);
    const plain = new TextEncoder().encode(`{"records":[${entries}0],"profiles":{}}`);
    writeFileSync(file, await sealCheaply(plain, passphrase, "codemie vault 1 export"), { mode: 0o600 });
    const { command, peakMb } = measured([codemie, "vault", "import", file, "--passphrase-stdin"], person.root);
    const child = Bun.spawn(command, {
      env: person.env,
      cwd: person.cwd,
      stdin: Buffer.from(passphrase),
      stderr: "pipe",
    });
    expect(await child.stderr.text()).toContain("is not an export of a vault");
    await child.exited;
    expect(peakMb()).toBeLessThan(700);
    person.remove();
  });
}
