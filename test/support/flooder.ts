import { connect, type Socket } from "node:net";

/**
 * Uses up a callback's descriptors with connections, as another user can, and goes on once a line comes on standard
 * input: `ask` requests the address on a connection that the callback took before all others, and prints the status of
 * the answer. Ends with its input.
 *
 * Arguments: the address, and how many connections.
 */

const [address = "", count = "0"] = process.argv.slice(2);
const { port, pathname, search } = new URL(address);

function open(): Socket {
  return connect(Number(port), "127.0.0.1").on("error", () => undefined);
}

function answerOf(socket: Socket, path: string, host: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const over = () => resolve(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? "0");
    socket.on("data", (data) => {
      text += data;
      if (text.includes("\r\n\r\n")) over();
    });
    socket.on("close", over);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  });
}

const first = open();
// It is refused for its host, before anybody looks who asks, and stays open.
await answerOf(first, "/", "x");
const others = Array.from({ length: Number(count) }, open);
await Promise.all(others.map((socket) => new Promise<void>((resolve) => socket.write("G", () => resolve()))));
console.log("connected");
for await (const line of console) {
  if (line === "ask") console.log(await answerOf(first, pathname + search, `localhost:${port}`));
}
process.exit(0);
