import { join } from "node:path";

const readme = join(import.meta.dir, "../../README.md");

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->` in the README. */
export async function replaceSection(name: string, text: string): Promise<void> {
  const before = await Bun.file(readme).text();
  const section = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
  if (!section.test(before)) throw new Error(`the README has no section ${name}`);
  await Bun.write(
    readme,
    before.replace(section, (_, start, end) => `${start}${text}\n${end}`),
  );
}
