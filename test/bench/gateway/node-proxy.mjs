/** A plain proxy on node:http, as one writes it first: run by Node, keep-alive to the upstream. Argument: its address. */
import { Agent, createServer, request } from "node:http";

const upstream = new URL(process.argv[2]);
const own = JSON.parse(process.argv[3]);
const agent = new Agent({ keepAlive: true });
const server = createServer((incoming, outgoing) => {
  const { authorization: _, host: __, ...headers } = incoming.headers;
  const forwarded = request(
    {
      host: upstream.hostname,
      port: upstream.port,
      path: upstream.pathname + incoming.url,
      method: incoming.method,
      headers: { ...headers, ...own },
      agent,
    },
    (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    },
  );
  forwarded.on("error", () => outgoing.destroy());
  outgoing.on("close", () => forwarded.destroy());
  incoming.pipe(forwarded);
});
server.requestTimeout = 0;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
