import { createServer as createHttp } from "node:http";
import { type AddressInfo, connect, type Server, type Socket } from "node:net";
import { createServer as createTls } from "node:tls";
import { generate } from "selfsigned";

/** A company's network: hosts behind a private certificate authority, reachable over an HTTP proxy only. */
export interface Corporate {
  /** address of the host, a name that only the proxy knows */
  readonly url: string;
  /** certificate to believe, PEM */
  readonly certificate: string;
  readonly proxyUrl: string;
  /** what the proxy was asked, one line each */
  readonly asked: string[];
  /** where its tunnels lead, a port of this machine: the host's at first */
  tunnelTo: number;
  /** the proxy answers this instead of opening a tunnel */
  refuse: string | undefined;
  /** Closes all tunnels. */
  drop(): void;
  close(): Promise<void>;
}

/** @returns a self-signed certificate for a name or an address of this machine, and its key, of a kind that is quickly made */
export async function certificateFor(name: string) {
  const altName = /^[\d.]+$/.test(name) ? { type: 7 as const, ip: name } : { type: 2 as const, value: name };
  return await generate([{ name: "commonName", value: name }], {
    algorithm: "sha256",
    keyType: "ec",
    extensions: [{ name: "subjectAltName", altNames: [altName] }],
  });
}

/** @param origin the stand-in host that answers behind `https://codemie.test` */
export async function startCorporate(origin: string): Promise<Corporate> {
  const pair = await certificateFor("codemie.test");
  const sockets = new Set<Socket>();
  const join = (a: Socket, b: Socket) => {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  };
  const host = createTls({ key: pair.private, cert: pair.cert }, (socket) =>
    join(socket, connect(Number(new URL(origin).port), "127.0.0.1")),
  );
  const hostPort = await listening(host);
  const asked: string[] = [];
  const corporate: Corporate = {
    url: "https://codemie.test",
    certificate: pair.cert,
    proxyUrl: "",
    asked,
    tunnelTo: hostPort,
    refuse: undefined,
    drop,
    close,
  };
  const proxy = createHttp((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(502).end();
  });
  proxy.on("connect", (request, socket: Socket) => {
    asked.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? ""}`.trim());
    if (corporate.refuse) {
      socket.end(corporate.refuse);
      return;
    }
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    join(socket, connect(corporate.tunnelTo, "127.0.0.1"));
  });
  const proxyPort = await listening(proxy);
  return Object.assign(corporate, { proxyUrl: `http://127.0.0.1:${proxyPort}` });

  function drop(): void {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  }

  async function close(): Promise<void> {
    drop();
    await Promise.all([host, proxy].map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** Listens on a random port of 127.0.0.1 and returns it. */
export async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
