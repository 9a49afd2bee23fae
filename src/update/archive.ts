const isWindows = (target: string) => target.startsWith("windows-");

/** @returns the name of a machine's archive in a release */
export const archiveOf = (target: string): string =>
  isWindows(target) ? `codemie-${target}.exe.zip` : `codemie-${target}.tar.gz`;

/**
 * @param archive as a release has it, whose sum is right
 * @returns the program in it; undefined when there is none
 */
export async function programIn(archive: Uint8Array<ArrayBuffer>, target: string): Promise<Uint8Array | undefined> {
  if (isWindows(target)) return fileInZip(archive, "codemie.exe");
  const files = await new Bun.Archive(archive).files("codemie").catch(() => undefined);
  return await files?.get("codemie")?.bytes();
}

/** Signatures of a zip file's parts, and where their members lie (APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16). */
const zip = {
  end: { signature: 0x06054b50, length: 22, entries: 16 },
  entry: { signature: 0x02014b50, method: 10, packed: 20, name: 28, extra: 30, comment: 32, header: 42, length: 46 },
  header: { name: 26, extra: 28, length: 30 },
} as const;

/** Reads what {@link pack} of the build writes: no comment at the end, no encryption, sizes below 4 GB. */
function fileInZip(archive: Uint8Array<ArrayBuffer>, wanted: string): Uint8Array | undefined {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  try {
    const end = bytes.length - zip.end.length;
    if (bytes.readUInt32LE(end) !== zip.end.signature) return undefined;
    let at = bytes.readUInt32LE(end + zip.end.entries);
    while (bytes.readUInt32LE(at) === zip.entry.signature) {
      const nameLength = bytes.readUInt16LE(at + zip.entry.name);
      const name = bytes.toString("utf8", at + zip.entry.length, at + zip.entry.length + nameLength);
      if (name === wanted) {
        const header = bytes.readUInt32LE(at + zip.entry.header);
        const lengths = bytes.readUInt16LE(header + zip.header.name) + bytes.readUInt16LE(header + zip.header.extra);
        const start = header + zip.header.length + lengths;
        const packed = archive.subarray(start, start + bytes.readUInt32LE(at + zip.entry.packed));
        const method = bytes.readUInt16LE(at + zip.entry.method);
        return method === 0 ? packed : method === 8 ? Bun.inflateSync(packed) : undefined;
      }
      const { length, extra, comment } = zip.entry;
      at += length + nameLength + bytes.readUInt16LE(at + extra) + bytes.readUInt16LE(at + comment);
    }
  } catch {} // a length leads past the end
  return undefined;
}
