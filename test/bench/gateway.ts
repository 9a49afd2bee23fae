/**
 * What the gateway and its relay cost, against nginx with buffering off, a plain proxy on node:http, and no proxy at all: one run, the
 * same upstream, the contestants in turn. Every proxy puts the same session on each request. Prints medians and ratios,
 * and keeps the numbers in dist/bench-gateway.json. Everything stays on loopback and ends by itself; `--quick` is for
 * trying it out. Needs Linux, nginx and wrk (installed from Debian's packages where that is allowed), and Node.
 *
 * `--against=NAME:PATH`, as often as you like, compares this build with other builds of `dist/codemie` instead, by the
 * processor time of a request, which can be compared on a busy machine too. Needs Linux only.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Contestant,
  direct,
  gateway,
  nginx,
  nodeProxy,
  relay,
  startUpstream,
  stopAll,
} from "./gateway/contestants.ts";
import {
  abortSeen,
  download,
  eventStream,
  growth,
  heldStreams,
  memoryOf,
  smallAnswers,
  upload,
} from "./gateway/load.ts";
import { type Build, compareProcessorTime } from "./gateway/processor.ts";

const quick = process.argv.includes("--quick");
const rounds = quick ? 1 : 7;
const seconds = quick ? 1 : 2;
const gigabyte = quick ? 2 ** 27 : 2 ** 30;
const streams = quick ? 300 : 1000;

/** other builds */
const builds = process.argv.flatMap((arg): Build[] => {
  const [, name, path] = /^--against=([^:]+):(.+)$/.exec(arg) ?? [];
  return name && path ? [{ name, path }] : [];
});

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const megabytes = (bytes: number) => bytes / 2 ** 20;

if (builds.length === 0) {
  needs("nginx", "wrk");
  if (!Bun.which("node")) stop("the benchmark needs Node, for the plain proxy");
}

const folder = mkdtempSync(join(tmpdir(), "codemie-bench-"));
const results: Record<string, Record<string, number>> = {};
const note = (what: string, name: string, value: number) => {
  results[what] = { ...results[what], [name]: value };
};

try {
  if (builds.length > 0) await compareProcessorTime([...builds, { name: "codemie" }], quick ? 20 : 300, folder);
  else await measureAll();
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}

async function measureAll(): Promise<void> {
  const { origin } = await startUpstream();
  const ours = await gateway(origin, folder);
  const all = [direct(origin), ours, await relay(origin, folder), await nginx(origin, folder), await nodeProxy(origin)];
  note("memory at the start, MB", ours.name, megabytes(memoryOf(ours)));

  for (const connections of [1, 32, 256]) {
    const found = new Map<string, ReturnType<typeof smallAnswers>[]>(all.map(({ name }) => [name, []]));
    for (const one of all) smallAnswers(one, connections, 1, folder);
    for (let round = 0; round < rounds; round++) {
      for (const one of all) found.get(one.name)?.push(smallAnswers(one, connections, seconds, folder));
    }
    for (const [name, runs] of found) {
      note(`requests per second, ${connections} connections`, name, median(runs.map(({ rps }) => rps)));
      note(`p50, ${connections} connections, ms`, name, median(runs.map(({ p50 }) => p50)));
      note(`p99, ${connections} connections, ms`, name, median(runs.map(({ p99 }) => p99)));
    }
  }

  const firsts = new Map<string, number[]>(all.map(({ name }) => [name, []]));
  const delays = new Map<string, number[]>(all.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds * 3; round++) {
    for (const one of all) {
      const stream = await eventStream(one, 40, 10);
      firsts.get(one.name)?.push(stream.first);
      delays.get(one.name)?.push(...stream.delays);
    }
  }
  for (const { name } of all) {
    note("time to a stream's first event, ms", name, median(firsts.get(name) ?? []));
    note("delay per event, ms", name, median(delays.get(name) ?? []));
  }
  await each(all, "abort seen upstream, ms", async (one) => {
    const seen: number[] = [];
    for (let n = 0; n < rounds * 5; n++) seen.push(await abortSeen(one, origin));
    return median(seen);
  });

  await each(all, "1 GB down, MB/s", async (one) => megabytes(await download(one, gigabyte)));
  await each(all, "1 GB up, MB/s", async (one) => megabytes(await upload(one, gigabyte)));
  const proxies = all.filter(({ pids }) => pids.length > 0);
  await each(proxies, "memory grown by 1 GB down, MB", async (one) =>
    megabytes(await growth(one, () => download(one, gigabyte))),
  );
  await each(proxies, "memory grown by 1 GB up, MB", async (one) =>
    megabytes(await growth(one, () => upload(one, gigabyte))),
  );
  await each(proxies, "memory grown by a slow reader of 1 GB, MB", async (one) =>
    megabytes(await growth(one, () => download(one, gigabyte, 100e6))),
  );
  await each(
    proxies,
    `memory per held stream (${streams}), KB`,
    async (one) => (await heldStreams(one, origin, streams)) / 1024,
  );
  await Bun.sleep(5000);
  await each(proxies, "memory after the whole run, MB", async (one) => megabytes(memoryOf(one)));
  await each(proxies, "of it, its own alone, MB", async (one) => megabytes(memoryOf(one, "RssAnon")));

  print(all);
  const machine = { cores: cpus().length, model: cpus()[0]?.model };
  const kept = { date: new Date().toISOString(), machine, quick, rounds, seconds, results };
  await Bun.write(join(import.meta.dir, "../../dist/bench-gateway.json"), JSON.stringify(kept, null, 2));
}

async function each(those: readonly Contestant[], what: string, measure: (one: Contestant) => Promise<number>) {
  for (const one of those) note(what, one.name, await measure(one));
}

function print(all: readonly Contestant[]): void {
  const names = all.map(({ name }) => name);
  const number = (value: number | undefined) =>
    value === undefined ? "-" : value >= 100 ? value.toFixed(0) : value.toFixed(2);
  console.log(
    [
      "".padEnd(44),
      ...[...names, "codemie/nginx", "codemie/node", "relay/codemie"].map((name) => name.padStart(14)),
    ].join(""),
  );
  for (const [what, found] of Object.entries(results)) {
    const ratio = (other: string) => ((found.codemie ?? Number.NaN) / (found[other] ?? Number.NaN)).toFixed(2);
    const relayed = ((found.relay ?? Number.NaN) / (found.codemie ?? Number.NaN)).toFixed(2);
    const cells = [...names.map((name) => number(found[name])), ratio("nginx"), ratio("node:http"), relayed];
    console.log([what.padEnd(44), ...cells.map((cell) => cell.replace("NaN", "-").padStart(14))].join(""));
  }
}

/** Debian's packages are installed where that is allowed. */
function needs(...programs: string[]): void {
  const missing = programs.filter((name) => !Bun.which(name, { PATH: `${process.env.PATH}:/usr/sbin` }));
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !Bun.which("apt-get"))
    stop(`the benchmark needs ${missing.join(" and ")}: apt-get install ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [
    ["update", "-q"],
    ["install", "-y", "-q", "--no-install-recommends", ...missing],
  ]) {
    if (Bun.spawnSync(["apt-get", ...args], { env }).exitCode !== 0) stop(`apt-get ${args.join(" ")} failed`);
  }
}

function stop(line: string): never {
  console.error(line);
  process.exit(1);
}
