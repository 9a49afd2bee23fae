import { afterAll, expect, test } from "bun:test";
import { codemie, codemieClaude, codemieMcpProxy, Person } from "../support/codemie.ts";
import { adasToken } from "../support/token.ts";

/** Threat: a token that somebody put in the wrong place is repeated in the error, and so in the log of a pipeline. */

const person = new Person();
afterAll(() => person.remove());
const url = "http://127.0.0.1:9";

for (const [args, env, program] of [
  [["models"], { CODEMIE_URL: url, CODEMIE_JWT_TOKEN_FILE: `/${adasToken}` }, codemie],
  [["models"], { CODEMIE_URL: url, CODEMIE_JWT_TOKEN_FILE: adasToken }, codemie],
  [["models"], { CODEMIE_URL: adasToken }, codemie],
  [["models"], { CODEMIE_URL: `https://${adasToken}.example.com/x y` }, codemie],
  [["models"], { CODEMIE_PROFILE: adasToken }, codemie],
  [["models"], { CODEMIE_URL: `https://${adasToken}` }, codemie],
  [["doctor"], { CODEMIE_URL: adasToken }, codemie],
  [["setup", "--url", adasToken, "--yes"], {}, codemie],
  [["setup", "--url", `https://${adasToken}`, "--method", "jwt", "--yes"], {}, codemie],
  [["profile", "login", "--url", adasToken], {}, codemie],
  [["profile", "login", "--url", url, "--issuer", `https://${adasToken}`, "--client-id", "x"], {}, codemie],
  [["config", "set", "url", adasToken], {}, codemie],
  [[adasToken], {}, codemie],
  [["config", "set", adasToken, "x"], {}, codemie],
  [["config", "set", "timeout", adasToken], {}, codemie],
  [["profile", "use", adasToken], {}, codemie],
  [["profile", adasToken], {}, codemie],
  [["audit", "list", "--since", adasToken], {}, codemie],
  [["profile", "login", "--url", url, "--timeout", adasToken], {}, codemie],
  [["profile", "login", adasToken], {}, codemie],
  [["completion", adasToken], {}, codemie],
  [["--timeout", adasToken], {}, codemieClaude],
  [["--reasoning-effort", adasToken], {}, codemieClaude],
  [["--profile", adasToken], {}, codemieClaude],
  [["https://mcp.example.com", "--grant", adasToken], {}, codemieMcpProxy],
  [["https://mcp.example.com", "--timeout", adasToken], {}, codemieMcpProxy],
  [["https://mcp.example.com", "--header-file", `/${adasToken}`], {}, codemieMcpProxy],
  [["https://mcp.example.com", adasToken], {}, codemieMcpProxy],
  [[`https://${adasToken}`, "--explain"], {}, codemieMcpProxy],
] as [string[], Record<string, string>, string][]) {
  const where = [...args, ...Object.entries(env).map((pair) => pair.join("="))]
    .join(" ")
    .replaceAll(adasToken, "TOKEN");
  test(`${program.split("/").at(-1)} ${where}`, async () => {
    person.install("claude", "#!/bin/sh\nexit 0\n");
    const { code, out, err } = await person.run(args, { env, program });
    expect(code).not.toBe(0);
    for (const part of adasToken.split("."))
      expect((out + err).replaceAll(/\s/g, "").toLowerCase()).not.toContain(part.slice(0, 20).toLowerCase());
  });
}
