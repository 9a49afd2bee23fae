import { test } from "bun:test";
import { codemie, type Finished, type Person } from "./codemie.ts";

const canMount = Bun.spawnSync(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).exitCode === 0;
if (!canMount) console.log("skipped: this machine lets no one mount in a namespace of their own (unshare -rm)");

/**
 * A test that needs {@link inNamespace}: skipped on a machine that lets nobody mount there.
 *
 * A mount namespace of one's own has file systems that are small or read-only, without touching the machine's.
 */
export const testWithMounts = test.skipIf(!canMount);

/**
 * Runs a shell script in a mount namespace of its own.
 *
 * @param words what `$0`, `$1` and so on are in the script
 * @returns its standard output
 */
export function inNamespace(script: string, ...words: string[]): string {
  return Bun.spawnSync(["unshare", "-rm", "sh", "-c", script, ...words]).stdout.toString();
}

/** Runs codemie where the home of its person is a read-only file system. */
export function runReadOnly(person: Person, args: readonly string[]): Promise<Finished> {
  const { home } = person;
  return script(person, `mount --bind ${home} ${home} && mount -o remount,bind,ro ${home} && exec "$0" "$@"`, args);
}

const canNet = Bun.spawnSync(["unshare", "-rmn", "sh", "-c", "ip link set lo up"]).exitCode === 0;

/** A test that needs {@link runWithSilentNames}: skipped on a machine that lets nobody have a network of their own. */
export const testWithNetwork = test.skipIf(!canMount || !canNet);

/** Runs codemie on a machine without a network, whose name server takes questions and answers none, for minutes. */
export function runWithSilentNames(person: Person, args: readonly string[]): Promise<Finished> {
  const silent =
    "await Bun.udpSocket({ hostname: '127.0.0.1', port: 53 }); console.log('up'); setInterval(() => {}, 1000)";
  const text = `ip link set lo up
    printf 'nameserver 127.0.0.1\noptions timeout:30 attempts:3\n' > ${person.root}/resolv.conf
    mount --bind ${person.root}/resolv.conf /etc/resolv.conf
    rm -f ${person.root}/up; mkfifo ${person.root}/up
    ${process.execPath} -e "${silent}" > ${person.root}/up & server=$!
    read up < ${person.root}/up
    "$0" "$@"; code=$?
    kill $server
    exit $code`;
  return person.run(["-rmn", "sh", "-c", text, codemie, ...args], { program: "unshare" });
}

/**
 * Runs a shell script on a copy of codemie's files, on a disk of their own that `$CODEMIE_HOME/filler` fills to the last byte.
 *
 * @param kilobytes the size of the disk
 * @param commands in which `$0` is codemie
 */
export function runOnFullDisk(person: Person, kilobytes: number, commands: string): Promise<Finished> {
  const small = `${person.root}/small`;
  return script(
    person,
    `mkdir ${small} && mount -t tmpfs -o size=${kilobytes}k tmpfs ${small} && cp -a ${person.codemieHome}/. ${small}/
    (cat /dev/zero > ${small}/filler 2>/dev/null || true)
    export CODEMIE_HOME=${small}
    ${commands}`,
  );
}

const script = (person: Person, text: string, args: readonly string[] = []) =>
  person.run(["-rm", "sh", "-c", text, codemie, ...args], { program: "unshare" });
