import { gateway, startUpstream } from "./contestants.ts";
import { holdOne, keptConnections, processorTime } from "./load.ts";

/** A build of the program: its name here, and where it is unless it is this checkout's own. */
export interface Build {
  readonly name: string;
  readonly path?: string;
}

/** processes of each build: two of the same build differ by some percent, for as long as they live */
const processes = 3;
const connections = 32;
/** requests a process carries before it is measured, and in each round */
const before = 30_000;
const perRound = 300;

/**
 * Compares builds by the processor time of a request. A round is short, and in each one all processes have their turn, in
 * an order that changes: whatever else the machine does at the moment, it does to all of them.
 *
 * @param builds the first is the one the others are compared with
 * @param rounds how many
 */
export async function compareProcessorTime(builds: readonly Build[], rounds: number, folder: string): Promise<void> {
  const { origin } = await startUpstream();
  const all = builds.map(({ name }) => ({ name, times: Array<number>(rounds).fill(0) }));
  const turns: { readonly ask: Awaited<ReturnType<typeof started>>; readonly times: number[] }[] = [];
  for (const [index, build] of builds.entries()) {
    for (let n = 0; n < processes; n++) {
      turns.push({ ask: await started(build, n, origin, folder), times: all[index]?.times ?? [] });
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { ask, times } of shuffled(turns)) times[round] = (times[round] ?? 0) + (await ask()) / processes;
  }
  console.log(
    `processor time of a request: ${rounds} rounds of ${perRound} requests to each of ${processes} processes a build`,
  );
  console.log("median (quartiles); median of each round's ratio to the first build (95 % interval of that median)");
  const [first] = all;
  const doubt = 0.98 / Math.sqrt(rounds); // half of the interval, as a part of the sorted ratios
  for (const { name, times } of all) {
    const ratios = times.map((time, round) => time / (first?.times[round] ?? Number.NaN));
    console.log(`${name.padEnd(12)} ${spread(times, 0.25, 1)} µs   ${spread(ratios, doubt, 3)}`);
  }
}

/** Starts one process of a build. Returns a function that has it carry a round and finds the processor time of a request, µs. */
async function started({ name, path }: Build, n: number, origin: string, folder: string) {
  const contestant = await gateway(origin, folder, `${name}-${n}`, path);
  const ask = await keptConnections(contestant, connections);
  // A gateway that has nothing to do for a moment collects its garbage, and its code is cold after that.
  await holdOne(contestant);
  await ask(before);
  return async (): Promise<number> => {
    const start = processorTime(contestant);
    await ask(perRound);
    return (processorTime(contestant) - start) / perRound / 1000;
  };
}

/** The median, and the values that many parts of all below and above it. */
function spread(values: readonly number[], part: number, digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (place: number) => sorted[Math.round((sorted.length - 1) * place)]?.toFixed(digits);
  return `${at(0.5)} (${at(0.5 - part)} to ${at(0.5 + part)})`;
}

function shuffled<T>(values: readonly T[]): T[] {
  const keyed = values.map((value) => ({ value, key: Math.random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ value }) => value);
}
