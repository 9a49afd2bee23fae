import { join } from "node:path";

/**
 * Replaces what stands between `<!-- name -->` and `<!-- /name -->` in a document.
 *
 * @param document its path from the top of the repository
 */
export async function replaceSection(document: string, name: string, text: string): Promise<void> {
  const file = join(import.meta.dir, "../..", document);
  const before = await Bun.file(file).text();
  const section = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
  if (!section.test(before)) throw new Error(`${document} has no section ${name}`);
  await Bun.write(
    file,
    before.replace(section, (_, start, end) => `${start}${text}\n${end}`),
  );
}
