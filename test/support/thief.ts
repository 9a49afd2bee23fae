import { afterAll, beforeEach } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { listen, readRequest } from "./sandbox/http.ts";

/** A server that nobody should tell anything, for all tests of a file. */
export interface Thief {
  readonly origin: string;
  /** what it was sent since the test began, one text for each request */
  readonly stolen: string[];
}

export async function sharedThief(): Promise<Thief> {
  const server = await listen();
  const stolen: string[] = [];
  server.handle(async (request, response) => {
    const seen = await readRequest(request);
    stolen.push(`${seen.method} ${seen.target} ${JSON.stringify(seen.rawHeaders)} ${seen.body}`);
    response.writeHead(403, { "content-type": "application/json" }).end('{"error":{"message":"got it"}}');
  });
  beforeEach(() => void stolen.splice(0));
  afterAll(() => server.close());
  return { origin: server.origin, stolen };
}

/** Writes the files of a repository, by path. */
export function writeRepository(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}
