import type { Env } from "../core/env.ts";
import { isLoopback } from "../core/host.ts";
import { builtBaseUrl, isVersion } from "../core/version.ts";
import { readBody } from "../platform/body.ts";
import { type Fetch, networkFailure } from "../platform/network.ts";
import { archiveOf, programIn } from "./archive.ts";
import { updateFailure } from "./failures.ts";

/** How long a server may send nothing, ms. */
const silenceMs = 60_000;
/** Most redirects in a row; GitHub needs one. */
const mostRedirects = 5;
/** Longest files, bytes: a version, a list of sums, a raw signature, an archive (some 45 MB today). */
const longest = { version: 1024, sums: 64 * 1024, signature: 1024, archive: 512 * 1024 * 1024 } as const;

/** As the installer takes it: nothing of it is a user, a query or a fragment. */
const plainAddress = /^https?:\/\/[\][A-Za-z0-9._~:/%+,=-]+$/;
/** A release page of GitHub has its files in places of its own. */
const github = /^https:\/\/github\.com\/[^/]+\/[^/]+\/releases$/;

/**
 * @param env `CODEMIE_INSTALL_BASE_URL`; without it the address that this build knows
 * @returns where the releases are, without a slash at its end; undefined when nothing says it
 * @throws usage error for an address that is not plain and encrypted; `http:` is for loopback alone
 */
export function releasesBase(env: Env): string | undefined {
  const base = (env.CODEMIE_INSTALL_BASE_URL || builtBaseUrl).replace(/\/$/, "");
  if (base === "") return undefined;
  const url = plainAddress.test(base) ? URL.parse(base) : null;
  if (!url || (url.protocol === "http:" && !isLoopback(url.hostname))) throw updateFailure.badBase();
  return base;
}

/**
 * @param which a version, or `latest`
 * @returns where one of its files is
 */
export function fileAddress(base: string, which: string, file: string): string {
  const isLatest = which === "latest";
  if (github.test(base)) return `${base}/${isLatest ? "latest/download" : `download/v${which}`}/${file}`;
  return `${base}/${isLatest ? "latest" : `v${which}`}/${file}`;
}

/** The releases on a server, which nobody trusts: a program is checked before anybody gets it. */
export class Releases {
  readonly #base: string;
  readonly #fetch: Fetch;
  readonly #stop: AbortSignal;

  /** @param base as {@link releasesBase}; @param stop ends a download, which then throws its reason */
  constructor(base: string, fetch: Fetch, stop: AbortSignal) {
    this.#base = base;
    this.#fetch = fetch;
    this.#stop = stop;
  }

  /**
   * @returns the version that the server calls the latest: its word alone, since nothing signs it
   * @throws `unreachable`, `tls`; `failed` when it is no version
   */
  async latest(): Promise<string> {
    const { bytes, url } = await this.#get("latest", "VERSION", longest.version);
    const text = new TextDecoder().decode(bytes).trim();
    if (!isVersion(text)) throw updateFailure.noVersion(url);
    return text;
  }

  /**
   * Downloads a version's program, and checks signature and sum.
   *
   * @param target the machine it is for, as archives name it
   * @param key the publisher's public key, Ed25519: 32 bytes in base64
   * @throws `unreachable`, `tls`; `failed` when anything of it is not the publisher's, or not this version's
   */
  async program(version: string, target: string, key: string): Promise<Uint8Array> {
    const sums = await this.#get(version, "SHA256SUMS", longest.sums);
    const list = new TextDecoder().decode(sums.bytes);
    if (!list.startsWith("# codemie ")) throw updateFailure.noSums(sums.url);
    const { bytes: signature } = await this.#get(version, "SHA256SUMS.sig", longest.signature);
    if (!(await isSigned(sums.bytes, signature, key))) throw updateFailure.wrongSignature(sums.url);
    // Each release has such a signed list, so that the right version is in it counts too.
    if (!list.startsWith(`# codemie ${version}\n`)) throw updateFailure.otherRelease(version);
    const file = archiveOf(target);
    const sum = list.split("\n").find((line) => line.slice(64) === `  ${file}`);
    if (!sum) throw updateFailure.noArchive(version, file);
    const archive = await this.#get(version, file, longest.archive);
    const actual = new Bun.CryptoHasher("sha256").update(archive.bytes).digest("hex");
    if (actual !== sum.slice(0, 64)) throw updateFailure.wrongSum(archive.url);
    const program = await programIn(archive.bytes, target);
    if (!program) throw updateFailure.noArchive(version, `program in ${file}`);
    return program;
  }

  /** Redirects carry no credential, so they are followed, but to encrypted addresses alone. */
  async #get(which: string, file: string, limit: number): Promise<{ bytes: Uint8Array<ArrayBuffer>; url: string }> {
    const url = fileAddress(this.#base, which, file);
    const { origin } = new URL(url);
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(new DOMException("silent", "TimeoutError")), silenceMs);
    try {
      const response = await this.#follow(url, AbortSignal.any([this.#stop, silent.signal]));
      if (response.status !== 200) throw updateFailure.notDownloaded(url, response.status);
      const { bytes, end, error } = await readBody(response.body, limit, () => void timer.refresh());
      if (end === "broken") throw error;
      if (end === "cut") throw updateFailure.tooLong(url);
      return { bytes: new Uint8Array(bytes), url };
    } catch (error) {
      this.#stop.throwIfAborted();
      throw networkFailure(origin, silent.signal.aborted ? silent.signal.reason : error);
    } finally {
      clearTimeout(timer);
      silent.abort();
    }
  }

  async #follow(url: string, signal: AbortSignal): Promise<Response> {
    let from = url;
    for (let count = 0; ; count++) {
      // Some servers call an archive's compression that of the answer; the sum is that of the file as it is.
      const headers = { "accept-encoding": "identity", accept: "*/*" };
      const response = await this.#fetch(from, { headers, signal, decompress: false });
      if (![301, 302, 303, 307, 308].includes(response.status)) return response;
      await response.body?.cancel();
      const to = URL.parse(response.headers.get("location") ?? "", from);
      if (to?.protocol !== "https:" || count >= mostRedirects) throw updateFailure.badRedirect(url);
      from = to.href;
    }
  }
}

/** @returns whether the key has signed the message (RFC 8032, section 5.1.7) */
async function isSigned(message: Uint8Array<ArrayBuffer>, signature: Uint8Array<ArrayBuffer>, key: string) {
  const raw = new Uint8Array(Buffer.from(key, "base64"));
  const publicKey = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  return signature.length === 64 && (await crypto.subtle.verify("Ed25519", publicKey, signature, message));
}
