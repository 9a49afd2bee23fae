import { connect } from "node:net";

/** One request over a bare connection, made as `Manner` in other-user.ts says. */

const [address = "", manner] = process.argv.slice(2);
const { hostname, port, host, pathname, search } = new URL(address);
const bare = hostname.replace(/[[\]]/g, "");
const socket = connect({
  host: manner === "mapped" ? `::ffff:${bare}` : bare,
  port: Number(port),
  ...(manner === "from-127.0.0.5" ? { localAddress: "127.0.0.5" } : {}),
});
let answer = "";
socket.on("data", (data) => {
  answer += data;
});
socket.on("error", () => undefined);
socket.on("connect", () => {
  const head = `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  socket.write(head, () => {
    if (manner === "hangs-up") socket.destroy();
    if (manner === "resets") socket.resetAndDestroy();
  });
});
socket.on("close", () => console.log(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? "0", answer));
