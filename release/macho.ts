import { createHash } from "node:crypto";

/** Parts of a 64-bit Mach-O file (mach-o/loader.h). Numbers are little endian. */
const macho = {
  magic: 0xfeedfacf,
  commandCount: 16,
  firstCommand: 32,
  segment: { command: 0x19, name: 8, vmSize: 32, fileOffset: 40, fileSize: 48 },
  signature: { command: 0x1d, offset: 8, size: 12 },
} as const;

/** A memory page, bytes: of arm64, which is a multiple of the other's. */
const memoryPage = 0x4000;
/** A page of the signature, bytes, as a power of two: Apple's linker takes it for both processors. */
const pageBits = 12;

/** Parts of a signature (xnu, osfmk/kern/cs_blobs.h). Numbers are big endian. */
const blobs = {
  whole: 0xfade0cc0,
  directory: { magic: 0xfade0c02, slot: 0, version: 0x20400, length: 88, adhoc: 0x2, sha256: 2, mainProgram: 1 },
  requirements: { magic: 0xfade0c01, slot: 2 },
  cms: { magic: 0xfade0b01, slot: 0x10000 },
} as const;

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const blob = (magic: number, content: Uint8Array): Buffer =>
  Buffer.concat([number(magic), number(content.length + 8), content]);
const aligned = (size: number, to: number) => Math.ceil(size / to) * to;

/**
 * Signs a program for macOS ad hoc: by nobody, so that the system can tell that it is whole. On arm64 nothing runs without. The
 * signature that Bun's own program came with covers bytes that have changed since, and goes.
 *
 * @param program a 64-bit Mach-O file that has a signature at its end
 * @param identifier the name under which the system knows it
 * @returns the signed program
 * @throws Error for any other file
 */
export function signMachO(program: Uint8Array, identifier: string): Buffer {
  const old = Buffer.from(program.buffer, program.byteOffset, program.byteLength);
  if (old.length < macho.firstCommand || old.readUInt32LE(0) !== macho.magic) throw new Error("no 64-bit Mach-O file");
  let [text, linkEdit, command] = [0, 0, 0];
  let at = macho.firstCommand;
  for (let count = old.readUInt32LE(macho.commandCount); count > 0; count--) {
    const kind = old.readUInt32LE(at);
    if (kind === macho.signature.command) command = at;
    const name = kind === macho.segment.command ? old.toString("latin1", at + 8, at + 24).replace(/\0+$/, "") : "";
    if (name === "__TEXT") text = at;
    if (name === "__LINKEDIT") linkEdit = at;
    at += old.readUInt32LE(at + 4);
  }
  if (!text || !linkEdit || !command) throw new Error("a Mach-O file without a signature");
  const limit = old.readUInt32LE(command + macho.signature.offset);
  const pages = Math.ceil(limit / 2 ** pageBits);
  const size = aligned(signatureSize(identifier, pages), 16);

  const signed = Buffer.alloc(limit + size);
  old.copy(signed, 0, 0, limit);
  const { fileOffset, fileSize, vmSize } = macho.segment;
  const edited = limit + size - Number(old.readBigUInt64LE(linkEdit + fileOffset));
  signed.writeUInt32LE(size, command + macho.signature.size);
  signed.writeBigUInt64LE(BigInt(edited), linkEdit + fileSize);
  signed.writeBigUInt64LE(BigInt(aligned(edited, memoryPage)), linkEdit + vmSize);
  const execution = [text + fileOffset, text + fileSize].map((where) => old.readBigUInt64LE(where));
  signatureOf(signed.subarray(0, limit), identifier, execution).copy(signed, limit);
  return signed;
}

const requirements = blob(blobs.requirements.magic, number(0));
const cms = blob(blobs.cms.magic, Buffer.alloc(0));
/** Hashes of what stands outside of the program's pages: its requirements, and its property list, which it has none of. */
const specialHashes = [sha256(requirements), Buffer.alloc(32)];
const indexLength = 12 + 3 * 8;

const directorySize = (identifier: string, pages: number) =>
  blobs.directory.length + Buffer.byteLength(identifier) + 1 + (specialHashes.length + pages) * 32;
const signatureSize = (identifier: string, pages: number) =>
  indexLength + directorySize(identifier, pages) + requirements.length + cms.length;

function signatureOf(code: Buffer, identifier: string, [start = 0n, length = 0n]: bigint[]): Buffer {
  const { magic, version, adhoc, sha256: kind, mainProgram, length: headLength } = blobs.directory;
  const name = Buffer.from(`${identifier}\0`);
  const hashes: Buffer[] = [];
  for (let at = 0; at < code.length; at += 2 ** pageBits) hashes.push(sha256(code.subarray(at, at + 2 ** pageBits)));
  const hashOffset = headLength + name.length + specialHashes.length * 32;
  const head = Buffer.alloc(headLength);
  const words = [magic, directorySize(identifier, hashes.length), version, adhoc, hashOffset, headLength];
  for (const [at, word] of [...words, specialHashes.length, hashes.length, code.length].entries())
    head.writeUInt32BE(word, at * 4);
  head.set([32, kind, 0, pageBits], 36);
  head.writeBigUInt64BE(start, 64);
  head.writeBigUInt64BE(length, 72);
  head.writeBigUInt64BE(BigInt(mainProgram), 80);
  const directory = Buffer.concat([head, name, ...specialHashes, ...hashes]);

  const parts = [
    [blobs.directory.slot, directory],
    [blobs.requirements.slot, requirements],
    [blobs.cms.slot, cms],
  ] as const;
  const index: Buffer[] = [];
  let at = indexLength;
  for (const [slot, part] of parts) {
    index.push(number(slot), number(at));
    at += part.length;
  }
  return blob(blobs.whole, Buffer.concat([number(parts.length), ...index, ...parts.map(([, part]) => part)]));
}
