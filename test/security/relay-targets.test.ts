import { expect } from "bun:test";
import { testWithNetwork } from "../support/namespace.ts";
import { type Answered, type Plan, runWorld, type World } from "../support/relay-world.ts";

/**
 * Threat: somebody who can name an address to the relay, a server or a client, reaches what is not on the public Internet: this
 * machine, the company's network, a cloud's metadata.
 */

const names: Plan["names"] = {
  "mcp.example.com": [["93.184.215.14"]],
  "login.example.com": [["93.184.215.15"]],
  "v6.example.com": [["2606:4700::1111"]],
  "private.example.com": [["10.0.0.1"]],
  "both.example.com": [["93.184.215.14", "10.0.0.1"]],
  "both6.example.com": [["93.184.215.14", "fd00::1"]],
  "loop.example.com": [["127.0.0.1"]],
  "loop6.example.com": [["::1"]],
  "mapped.example.com": [["::ffff:127.0.0.1"]],
  "cgnat.example.com": [["100.64.1.1"]],
  "metadata.example.com": [["169.254.169.254"]],
  "nat64.example.com": [["64:ff9b::a00:1"]],
  "empty.example.com": [[]],
  // the second time and from then on, it is somewhere else
  "rebind.example.com": [["93.184.215.16"], ["127.0.0.1"]],
  "rebind6.example.com": [["2606:4700::2222"], ["::1"]],
};

/** Each of them must be refused, whoever names it. */
const addresses: readonly string[] = [
  // IPv4, in every base
  ...["127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.255.255.254", "0"],
  ...["0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "0xa000001", "012.0.0.1", "100.64.0.1", "100.127.255.254"],
  ...["169.254.169.254", "2852039166", "0xa9fea9fe", "172.16.0.1", "172.31.255.254", "192.168.0.1", "0300.0250.0.1"],
  ...["192.0.0.1", "192.0.0.170", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1"],
  ...["198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1"],
  ...["255.255.255.255", "127.0.0.1.", "１２７.０.０.１", "127。0。0。1", "0x7f。1"],
  // IPv6, and every way in which IPv4 is in it
  ...[
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
  ],
  ...["[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]"],
  ...["[2002:a00:1::1]", "[2001::1]", "[2001:0:4136:e378:8000:63bf:f5ff:fffe]", "[2001:db8::1]", "[2001:10::1]"],
  ...["[2001:20::1]", "[fc00::1]", "[fd12:3456::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "[100::1]", "[3fff::1]"],
  ...["[2620:4f:8000::1]", "[5f00::1]", "[2600::5efe:10.0.0.1]", "[2600::200:5efe:10.0.0.1]"],
  // names of this machine and its network
  ...["localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain", "printer.local", "ⓛocalhost"],
  ...["loc\u00adalhost", "metadata.google.internal", "metadata.google.internal."],
];

/** Names whose search is the only packet that leaves. */
const resolved = Object.keys(names).filter((name) =>
  /^(?:private|both|loop|mapped|cgnat|metadata|nat64|empty)/.test(name),
);

/** Addresses that no host makes good. */
const forms: readonly string[] = [
  "http://mcp.example.com/mcp",
  "https://user:secret@mcp.example.com/mcp",
  "https://user@mcp.example.com/mcp",
  "https://mcp.example.com@10.0.0.1/mcp",
  "https://127.0.0.1#@mcp.example.com/",
  "https:\\\\127.0.0.1\\",
  "https:127.0.0.1",
  "ht\ntps://127.0.0.1/",
  "https://[fe80::1%25lo]/",
  "ftp://mcp.example.com/",
  "file:///etc/passwd",
  "gopher://mcp.example.com/",
  "ws://mcp.example.com/",
  "data:text/plain,x",
  "javascript:alert(1)",
  "//127.0.0.1/",
  "mcp.example.com",
  `https://mcp.example.com/${"x".repeat(9_000)}`,
];

const hostile = [...addresses.map((host) => `https://${host}/mcp`), ...forms];
const searched = [...resolved, "nowhere.example.com"].map((host) => `https://${host}/mcp`);
const led = (to: string) => `https://mcp.example.com/to?to=${encodeURIComponent(to)}`;
/** What a header can say, and what is not relative to the server that says it. */
const isFollowed = (url: string) =>
  URL.canParse(url) &&
  /^[!-~]{1,2000}$/.test(url) &&
  URL.parse(url, "https://mcp.example.com/")?.host !== "mcp.example.com";
const leadable = hostile.filter(isFollowed);
const good = ["https://mcp.example.com/x", "https://v6.example.com/x", "https://93.184.215.14/x"];
const rebound = ["rebind.example.com", "rebind6.example.com"].flatMap((name) => Array(3).fill(`https://${name}/x`));

const entries = [...hostile, ...searched, ...leadable.map(led), ...good, ...rebound];
const canRun = Bun.spawnSync(["unshare", "-rmn", "true"]).exitCode === 0;
const world: World | undefined = canRun
  ? await runWorld({ names, asks: entries.map((entry) => ({ entry })) })
  : undefined;
const answerFor = (entry: string, at = 0): Answered =>
  world?.answers[entries.flatMap((one, i) => (one === entry ? [i] : []))[at] ?? -1] as Answered;
const lookedUp = ({ looked }: Answered) => new Set(looked);

for (const url of hostile) {
  testWithNetwork(`${JSON.stringify(url.slice(0, 80))} is refused before a packet leaves`, () => {
    const { status, text, connected, looked } = answerFor(url);
    expect([400, 403]).toContain(status);
    expect(JSON.parse(text).error.code).toBe("MCP_AUTH_ERROR");
    expect({ connected, looked }).toEqual({ connected: [], looked: [] });
  });
}

for (const url of searched) {
  testWithNetwork(`${url} is refused once its addresses are known, and nothing connects`, () => {
    const answer = answerFor(url);
    expect(answer.status).toBe(403);
    expect(answer.connected).toEqual([]);
    expect(lookedUp(answer)).toEqual(new Set([new URL(url).hostname]));
  });
}

for (const url of leadable) {
  testWithNetwork(`a redirect to ${JSON.stringify(url.slice(0, 80))} is refused`, () => {
    const { status, headers, connected } = answerFor(led(url));
    expect([400, 403]).toContain(status);
    expect(headers.location).toBeUndefined();
    expect(new Set(connected)).toEqual(new Set(connected.length > 0 ? ["93.184.215.14:443"] : []));
  });
}

testWithNetwork("public addresses are reached, by name and by number, with the certificate verified", () => {
  const [named, six, numbered] = good.map((url) => answerFor(url));
  expect([named?.status, named?.connected.length ? named.connected : ["93.184.215.14:443"]]).toEqual([
    200,
    ["93.184.215.14:443"],
  ]);
  expect([six?.status, six?.connected]).toEqual([200, ["2606:4700::1111:443"]]);
  // The certificate has no number in it.
  expect(numbered?.status).toBe(502);
});

testWithNetwork("a name that changes its address between check and connection reaches the checked one", () => {
  for (const [name, address] of [
    ["rebind.example.com", "93.184.215.16:443"],
    ["rebind6.example.com", "2606:4700::2222:443"],
  ]) {
    const answers = [0, 1, 2].map((at) => answerFor(`https://${name}/x`, at));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(new Set(answers.flatMap(({ connected }) => connected))).toEqual(new Set([address as string]));
    // One connection carries all, so nobody looks again.
    expect(answers.slice(1).flatMap(({ looked }) => looked)).toEqual([]);
  }
});

testWithNetwork("each refusal is in the audit trail, the first fifty of a period with a line of their own", () => {
  const lines = (world?.audit ?? "")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const refused = lines.filter(({ event }) => event === "relay-refused");
  expect(refused[0]).toMatchObject({ outcome: "denied", host: "127.0.0.1", detail: { reason: "private-network" } });
  const counted = refused.map(({ detail }) => detail.refused ?? 1).reduce((sum, count) => sum + count, 0);
  expect(counted).toBe(world?.answers.filter(({ text }) => text.includes("MCP_AUTH_ERROR")).length);
  expect(refused.filter(({ detail }) => detail.refused > 0).length).toBeGreaterThan(0);
});
