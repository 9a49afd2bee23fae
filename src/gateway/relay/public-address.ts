/**
 * Ranges of IPv4 with a special purpose, and multicast (IANA IPv4 Special-Purpose Address Registry, RFC 6890; RFC 5771). No MCP
 * server on the Internet has an address in them, the few that are reachable included.
 */
const special4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.31.196.0/24",
  "192.52.193.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "192.175.48.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/**
 * The part of IPv6 that registries have given to networks (IANA IPv6 Global Unicast Address Assignments). Everything else is
 * refused, and so are all embeddings of IPv4 outside of it: `::a.b.c.d`, `::ffff:a.b.c.d`, NAT64's `64:ff9b::` and its
 * local one.
 */
const global6 = "2000::/4";

/** Ranges with a special purpose within it (IANA IPv6 Special-Purpose Address Registry); Teredo and 6to4 embed IPv4. */
const special6 = ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48"];

/** A range: the bytes of its first address, and how many bits all its addresses share. */
type Range = readonly [first: readonly number[], bits: number];

const [ranges4, ranges6] = [special4.map(rangeOf), special6.map(rangeOf)];
const unicast6 = rangeOf(global6);

/**
 * @param address as a name server or the URL parser writes it, without brackets
 * @returns true for an address of the public Internet; false for every other, and for what is no address
 */
export function isPublicAddress(address: string): boolean {
  const bytes = bytesOf(address);
  if (bytes?.length === 4) return !ranges4.some((range) => isIn(bytes, range));
  if (bytes?.length !== 16) return false;
  return isIn(bytes, unicast6) && !ranges6.some((range) => isIn(bytes, range)) && !isIsatap(bytes);
}

/** @returns true for an IPv4 or IPv6 address, as {@link isPublicAddress} takes it */
export const isAddress = (text: string): boolean => bytesOf(text) !== undefined;

/** ISATAP puts an IPv4 address behind `0:5efe` or `200:5efe` in any prefix (RFC 5214 section 6.1). */
const isIsatap = (bytes: readonly number[]) =>
  (bytes[8] === 0 || bytes[8] === 2) && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;

function rangeOf(text: string): Range {
  const [address = "", bits] = text.split("/");
  return [bytesOf(address) ?? [], Number(bits)];
}

function isIn(bytes: readonly number[], [first, bits]: Range): boolean {
  return bytes.every((byte, i) => {
    const shared = Math.min(8, Math.max(0, bits - i * 8));
    return ((byte ^ (first[i] ?? 0)) & (0xff00 >> shared) & 0xff) === 0;
  });
}

function bytesOf(address: string): number[] | undefined {
  if (!address.includes(":")) {
    const parts = address.split(".");
    const isPlain =
      parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
    return isPlain ? parts.map(Number) : undefined;
  }
  // The parser writes every form alike: IPv4 at the end becomes hexadecimal. It takes no zone.
  const plain = URL.parse(`http://[${address}]/`)?.hostname.slice(1, -1);
  if (plain === undefined) return undefined;
  const [before = "", after] = plain.split("::");
  const [left, right] = [wordsOf(before), wordsOf(after ?? "")];
  const words =
    after === undefined ? left : [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  return words.flatMap((word) => [word >> 8, word & 255]);
}

function wordsOf(text: string): number[] {
  return text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16));
}
