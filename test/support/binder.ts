import { createServer } from "node:net";

/**
 * Tries to listen on a port of loopback, again and again, until its standard input ends, as another user would who waits for
 * the port. Says `trying` after the first try, and `taken` if it ever succeeds.
 */

const port = Number(process.argv[2]);

function take(host: string): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

let over = false;
process.stdin.on("end", () => {
  over = true;
});
process.stdin.resume();
for (let tries = 0; !over; tries++) {
  for (const host of ["127.0.0.1", "::1", "0.0.0.0", "::"]) if (await take(host)) console.log("taken", host);
  if (tries === 0) console.log("trying");
  await new Promise(setImmediate);
}
