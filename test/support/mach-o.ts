import { createHash } from "node:crypto";

/** What a verifier of macOS looks at in a signed program: written from the formats alone, not from what signs. */
export interface SignatureFaults {
  readonly identifier: string;
  readonly pages: number;
  /** numbers of the pages whose hash is not in the signature, and names of other parts that are wrong */
  readonly wrong: readonly (number | string)[];
}

/** @returns what is wrong with a signed Mach-O file (mach-o/loader.h; xnu, osfmk/kern/cs_blobs.h) */
export function faultsOfSignature(program: Uint8Array): SignatureFaults {
  const bytes = Buffer.from(program.buffer, program.byteOffset, program.byteLength);
  const wrong: (number | string)[] = [];
  const check = (what: string, isRight: boolean) => isRight || wrong.push(what);
  let [start, size, linkEditEnd] = [0, 0, 0];
  for (let at = 32, left = bytes.readUInt32LE(16); left > 0; left--, at += bytes.readUInt32LE(at + 4)) {
    if (bytes.readUInt32LE(at) === 0x1d) [start, size] = [bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 12)];
    if (bytes.readUInt32LE(at) === 0x19 && bytes.toString("latin1", at + 8, at + 18) === "__LINKEDIT") {
      const [memory, offset, length] = [32, 40, 48].map((where) => Number(bytes.readBigUInt64LE(at + where)));
      linkEditEnd = (offset ?? 0) + (length ?? 0);
      check("memory", (memory ?? 0) >= (length ?? 0) && (memory ?? 1) % 4096 === 0);
    }
  }
  check("end", start + size === bytes.length && linkEditEnd === bytes.length && start % 16 === 0);
  const signature = bytes.subarray(start);
  check("magic", signature.readUInt32BE(0) === 0xfade0cc0 && signature.readUInt32BE(4) <= size);
  const parts = new Map<number, Buffer>();
  for (let n = 0; n < signature.readUInt32BE(8); n++) {
    const part = signature.subarray(signature.readUInt32BE(16 + n * 8));
    parts.set(signature.readUInt32BE(12 + n * 8), part.subarray(0, part.readUInt32BE(4)));
  }
  const directory = parts.get(0);
  const requirements = parts.get(2);
  if (!directory || !requirements) return { identifier: "", pages: 0, wrong: ["no code directory"] };
  const [magic, , version, flags, hashes = 0, name = 0, special, pages = 0, limit] = Array.from({ length: 9 }, (_, n) =>
    directory.readUInt32BE(n * 4),
  );
  check("directory", magic === 0xfade0c02 && version === 0x20400 && flags === 2 && limit === start && special === 2);
  check("kinds", directory[36] === 32 && directory[37] === 2 && directory[39] === 12);
  const hashAt = (n: number) => directory.subarray(hashes + n * 32, hashes + n * 32 + 32);
  const hashOf = (part: Uint8Array) => createHash("sha256").update(part).digest();
  check("requirements", hashAt(-2).equals(hashOf(requirements)) && hashAt(-1).every((byte) => byte === 0));
  check("count", pages === Math.ceil(start / 4096));
  for (let n = 0; n < pages; n++) {
    if (!hashAt(n).equals(hashOf(bytes.subarray(n * 4096, Math.min(start, n * 4096 + 4096))))) wrong.push(n);
  }
  return { identifier: directory.toString("utf8", name, directory.indexOf(0, name)), pages, wrong };
}

/** @returns the least that is a Mach-O file with a signature, of which the first so many bytes are signed */
export function smallMachO(length: number): Buffer {
  const start = Math.ceil(length / 16) * 16;
  const bytes = Buffer.alloc(start + 16);
  bytes.writeUInt32LE(0xfeedfacf, 0);
  bytes.writeUInt32LE(3, 16);
  for (const [n, name] of ["__TEXT", "__LINKEDIT"].entries()) {
    const at = 32 + n * 72;
    bytes.writeUInt32LE(0x19, at);
    bytes.writeUInt32LE(72, at + 4);
    bytes.write(name, at + 8);
    bytes.writeBigUInt64LE(BigInt(n === 0 ? length : 16), at + 48);
    bytes.writeBigUInt64LE(BigInt(n === 0 ? 0 : start), at + 40);
  }
  const at = 32 + 2 * 72;
  bytes.writeUInt32LE(0x1d, at);
  bytes.writeUInt32LE(16, at + 4);
  bytes.writeUInt32LE(start, at + 8);
  bytes.writeUInt32LE(16, at + 12);
  return bytes;
}
