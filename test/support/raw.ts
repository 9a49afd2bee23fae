import { connect, type Socket } from "node:net";

/**
 * Sends bytes as they are, which no client does, and reads until the other side closes or a whole answer is there.
 *
 * @param url where to
 * @returns the statuses of the answers, and all the bytes that came
 */
export function sendRaw(url: string, bytes: string | Buffer): Promise<{ statuses: number[]; text: string }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(Number(port), hostname, () => socket.write(bytes));
    let text = "";
    const done = () => {
      socket.destroy();
      resolve({ statuses: [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status)), text });
    };
    socket.on("data", (data) => {
      text += data.toString("latin1");
      const length = /^content-length: (\d+)\r$/im.exec(text)?.[1];
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0 && length !== undefined && text.length >= end + 4 + Number(length)) done();
    });
    socket.on("end", done);
    socket.on("close", done);
    socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? done() : reject(error)));
  });
}
