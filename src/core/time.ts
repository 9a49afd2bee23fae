/**
 * @param atMs a moment, ms since the epoch
 * @param nowMs now
 * @returns the moment for people, both ways: `in 3 days (2026-01-31 14:05)`
 */
export function when(atMs: number, nowMs: number): string {
  const seconds = Math.round((atMs - nowMs) / 1000);
  const units: [number, Intl.RelativeTimeFormatUnit][] = [
    [86_400, "day"],
    [3_600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  const [size, unit] = units.find(([length]) => Math.abs(seconds) >= length) ?? [1, "second"];
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
  const date = new Date(atMs);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${relative} (${day} ${two(date.getHours())}:${two(date.getMinutes())})`;
}
