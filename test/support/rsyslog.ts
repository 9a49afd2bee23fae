import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificateFor } from "./corporate.ts";

const program = "/usr/sbin/rsyslogd";

/** Debian's rsyslog, with what it needs for TLS. */
export const hasRsyslog = existsSync(program) && tlsDriver();

/** @returns true when the driver for TLS is installed, wherever this processor's libraries are */
function tlsDriver(): boolean {
  const found = Bun.spawnSync(["sh", "-c", "ls /usr/lib/*/rsyslog/lmnsd_ossl.so"], {
    stdout: "ignore",
    stderr: "ignore",
  });
  return found.exitCode === 0;
}

/**
 * A real rsyslog of this test's own: its configuration, socket, port and files are in a folder of its own. It can be stopped
 * and started again.
 */
export class Rsyslog {
  readonly folder = mkdtempSync(join(tmpdir(), "rsyslog-"));
  /** where it listens for datagrams */
  readonly socket = join(this.folder, "log");
  /** what it wrote: each message as it came, in the form of RFC 5424 */
  readonly file = join(this.folder, "received");
  /** the certificate to believe, PEM */
  certificate = "";
  port = 0;
  #child: Bun.Subprocess | undefined;

  /** @param name what its certificate is for */
  static async start(name = "127.0.0.1"): Promise<Rsyslog> {
    const one = new Rsyslog();
    const pair = await certificateFor(name);
    one.certificate = pair.cert;
    one.port = await freePort();
    const path = (file: string) => join(one.folder, file);
    writeFileSync(path("certificate.pem"), pair.cert);
    writeFileSync(path("key.pem"), pair.private);
    writeFileSync(one.file, "");
    writeFileSync(
      path("conf"),
      `global(workDirectory="${one.folder}" maxMessageSize="64k" defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="${path("certificate.pem")}" defaultNetstreamDriverCertFile="${path("certificate.pem")}"
  defaultNetstreamDriverKeyFile="${path("key.pem")}")
module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
module(load="imuxsock" SysSock.Use="off")
input(type="imtcp" address="127.0.0.1" port="${one.port}")
input(type="imuxsock" Socket="${one.socket}" UseSpecialParser="off" UseSysTimeStamp="off" IgnoreTimestamp="off" RateLimit.Interval="0")
action(type="omfile" file="${one.file}" template="RSYSLOG_SyslogProtocol23Format")
`,
    );
    await one.start();
    return one;
  }

  /** Starts it, and waits until it listens. */
  async start(): Promise<void> {
    const child = Bun.spawn([program, "-n", "-f", join(this.folder, "conf"), "-i", join(this.folder, "pid")], {
      stdout: "ignore",
      stderr: Bun.file(join(this.folder, "stderr")),
    });
    this.#child = child;
    while (!(await listens(this.port)) || !existsSync(this.socket)) {
      if (child.exitCode !== null)
        throw new Error(`rsyslogd ended: ${readFileSync(join(this.folder, "stderr"), "utf8")}`);
      await Bun.sleep(20);
    }
  }

  async stop(): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#child?.exited;
    rmSync(this.socket, { force: true });
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true });
  }

  /** @returns the numbers of the lines that it wrote, in its order */
  numbers(): number[] {
    return [...readFileSync(this.file, "utf8").matchAll(/\{"seq":(\d+),/g)].map(([, seq]) => Number(seq));
  }

  /** Waits until it has written this line of the trail. */
  async wrote(seq: number): Promise<void> {
    const written = Promise.withResolvers<void>();
    const look = () => {
      if (this.numbers().includes(seq)) written.resolve();
    };
    const watcher = watch(this.folder, look);
    const timer = setInterval(look, 250);
    look();
    await written.promise;
    clearInterval(timer);
    watcher.close();
  }
}

async function listens(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.terminate();
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}
