import { expect, test } from "bun:test";
import { join } from "node:path";
import { claudeFolder } from "../support/codemie.ts";
import { scriptedBrowser, startProtected } from "../support/mcp/protected.ts";
import { Pty } from "../support/pty.ts";
import { startRelay } from "../support/relay.ts";

test("the real Claude Code: codemie mcp add --via-proxy registers the relay, and it authorizes a server through the gateway", async () => {
  const host = await startProtected();
  await using relay = await startRelay();
  const { person } = relay;
  person.install("xdg-open", `#!/bin/sh\nexec '${scriptedBrowser}' "$@"\n`);
  const env = {
    PATH: `${claudeFolder}:${person.env.PATH}`,
    BROWSER: scriptedBrowser,
    BROWSER_LOG: join(person.root, "opened"),
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    MCP_TIMEOUT: "120000",
    DISPLAY: ":0",
  };
  const added = await person.run(["mcp", "add", "locked", host.url, "--via-proxy"], { env });
  expect(added.out).toContain(`registered locked with Claude Code: ${host.url}`);
  expect(added.out + added.err).not.toContain(relay.key);
  const settings = JSON.parse(await Bun.file(join(person.home, ".claude.json")).text());
  const entry = settings.projects[person.cwd].mcpServers.locked;
  expect([entry.type, entry.url]).toEqual(["http", relay.entry(host.url)]);

  const login = new Pty(person, ["mcp", "login", "locked"], env, join(claudeFolder, "claude"), 200);
  const code = await login.ended();
  expect({ code, screen: code === 0 ? "" : login.screen }).toEqual({ code: 0, screen: "" });
  expect(host.live.size).toBe(1);
  const { query } = host.calls("/authorize")[0] ?? {};
  const form = new URLSearchParams(host.calls("/token")[0]?.body);
  expect([query?.get("resource"), form.get("resource")]).toEqual([host.url, host.url]);
  expect(JSON.parse(host.calls("/register")[0]?.body ?? "").client_name).toBe("CodeMie CLI");
  const opened = await Bun.file(env.BROWSER_LOG).text();
  expect(JSON.parse(opened.split("\n")[0] ?? "")[1]).toStartWith(`${relay.started.url}/~${relay.key}/mcp_relay/`);

  const listed = await person.run(["mcp", "list"], { env, program: "claude" });
  expect(listed.out).toMatch(/locked.*Connected/);
  expect(host.record.some(({ body }) => body.includes("server/discover") || body.includes("initialize"))).toBe(true);
  const ours = await person.run(["mcp", "list", "--json"], { env });
  expect(JSON.parse(ours.out)).toMatchObject([{ name: "locked", url: host.url, via: "relay", answers: true }]);
  await host.close();
});

test("--via-proxy needs a running gateway, and no flags of the bridge", async () => {
  await using relay = await startRelay();
  const { person } = relay;
  const url = "https://mcp.example.com/mcp";
  const printed = await person.run(["mcp", "add", "x", url, "--via-proxy", "--print"]);
  expect(JSON.parse(printed.out)).toEqual({ mcpServers: { x: { type: "http", url: relay.entry(url) } } });
  const mcpServers = { x: { type: "http", url: relay.entry("http://10.1.2.3/mcp") } };
  await Bun.write(join(person.home, ".claude.json"), JSON.stringify({ mcpServers }));
  const listed = await person.run(["mcp", "list", "--json"]);
  expect([listed.code, JSON.parse(listed.out)]).toMatchObject([
    5,
    [
      {
        answers: false,
        detail: expect.stringContaining("plain http: is for hosts in the profile's relayPrivateHosts"),
      },
    ],
  ]);
  expect((await person.run(["mcp", "add", "x", url, "--via-proxy", "--", "--persist"])).code).toBe(2);
  expect((await person.run(["mcp", "add", "x", url, "--profile", "default"])).code).toBe(2);
  const status = await person.run(["proxy", "status", "--json"]);
  expect(status.out).not.toContain(relay.key);
  const { checks } = JSON.parse((await person.run(["doctor", "--json"])).out);
  expect(checks.find(({ id }: { id: string }) => id === "relay").status).toBe("ok");
  await person.run(["proxy", "stop"]);
  const stopped = await person.run(["mcp", "add", "x", url, "--via-proxy"]);
  expect([stopped.code, stopped.err]).toEqual([1, expect.stringContaining("no gateway is running")]);
});
