/**
 * What ICU's package of data looks like (ICU's `udata.h` and `ucmndata.h`): a header, then a table of the items' names and places,
 * sorted by name, then the names and the items.
 */
const icu = {
  /** the header's length, 2 bytes, comes before */
  magic: [0xda, 0x27],
  format: "CmnD",
  /** where the format stands in the header, bytes */
  formatAt: 12,
  /** an entry of the table: place of the name and of the item, bytes from the table's beginning */
  entry: 8,
} as const;

/** Data of a language or region, in any folder of the package, but for English; and the dictionaries that cut Thai or Japanese words. */
const isUnused = (name: string): boolean => /\/(?!en[_.])[a-z]{2,3}(?:_[A-Z0-9]\w*)?\.res$|\.dict$/.test(name);

/**
 * Takes out of a program what it has of ICU's data for languages that it does not speak: 9 of 12 MB. Such data counts as not there, and
 * ICU then takes that of no language. Everything stays where it is, so no other part of the program changes.
 *
 * @param program a program of Bun's for Linux or Windows; it is changed
 * @returns how many bytes are blank now
 * @throws Error when the program has no such data, or several packages of it, or its items stand in another order than their names
 */
export function blankLanguages(program: Buffer): number {
  const table = tableIn(program);
  const count = program.readUInt32LE(table);
  const entries = Array.from({ length: count }, (_, i) => {
    const at = table + 4 + i * icu.entry;
    const [nameAt, itemAt] = [program.readUInt32LE(at), program.readUInt32LE(at + 4)];
    const name = program.toString("latin1", table + nameAt, program.indexOf(0, table + nameAt));
    return { name, nameAt, itemAt };
  });
  let blank = 0;
  const kept = entries.filter(({ name, itemAt }, i) => {
    const end = entries[i + 1]?.itemAt;
    // Where the last item ends, nothing says.
    if (end !== undefined && end <= itemAt)
      throw new Error(`ICU's data: ${name} does not stand before the item after it`);
    if (!isUnused(name) || end === undefined) return true;
    program.fill(0, table + itemAt, table + end);
    blank += end - itemAt;
    return false;
  });
  program.fill(0, table + 4, table + 4 + count * icu.entry);
  program.writeUInt32LE(kept.length, table);
  for (const [i, { nameAt, itemAt }] of kept.entries()) {
    program.writeUInt32LE(nameAt, table + 4 + i * icu.entry);
    program.writeUInt32LE(itemAt, table + 8 + i * icu.entry);
  }
  return blank;
}

/** @returns where the table of the only package begins */
function tableIn(program: Buffer): number {
  const found: number[] = [];
  for (let at = program.indexOf(icu.format); at >= 0; at = program.indexOf(icu.format, at + 1)) {
    const header = at - icu.formatAt;
    const isHeader = icu.magic.every((byte, i) => program[header + 2 + i] === byte);
    if (isHeader) found.push(header + program.readUInt16LE(header));
  }
  const [only, another] = found;
  if (only === undefined || another !== undefined)
    throw new Error(`a program with ${found.length} packages of ICU's data`);
  return only;
}
