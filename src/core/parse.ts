/** @returns the port a text names, 1 to 65535; undefined when it names none */
export function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** @returns the whole number of seconds a text names, below a million (eleven days); undefined when it names none */
export function parseSeconds(text: string): number | undefined {
  return /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}
