import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { subjects, unmasked } from "../support/ci.ts";
import { codemie, codemieClaude, Person, withClaude } from "../support/codemie.ts";
import { textBelow } from "../support/files.ts";
import { startGateway } from "../support/gateway.ts";
import { jobClients, startJobProvider } from "../support/job-provider.ts";
import { logIn } from "../support/login.ts";
import { otherProcesses, shownOf } from "../support/processes.ts";
import { sharedCi, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** A job's own identity is the credential: nothing is stored, in CI or on disk. */

const sandbox = await sharedSandbox();
const ci = await sharedCi(sandbox);
const provider = await startJobProvider(ci, sandbox.origin);
sandbox.front.trust(provider.issuer, sandbox.origin, provider.publicKey);
afterAll(() => provider.close());
let person: Person;
let job: Record<string, string>;
beforeEach(() => {
  person = new Person();
  job = ci.envIn(person.root);
  provider.forms.length = 0;
  provider.saidSeconds = 600;
});
afterEach(() => person.remove());

const models = (env: Record<string, string>, ...flags: string[]) =>
  person.run(["models", "--json", "--url", sandbox.origin, ...flags], { env });
const bearer = () => String(sandbox.record.at(-1)?.headers.authorization).replace("Bearer ", "");

test("a job with an identity token answers a task, with an empty environment and no secret anywhere on disk", async () => {
  const folders = ["home", "base", "tmp", "work"].map((name) => join(person.root, "job", name));
  const [home = "", base = "", tmp = "", work = ""] = folders;
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  const env = { ...job, HOME: home, CODEMIE_HOME: base, TMPDIR: tmp, PATH: withClaude(person).PATH ?? "" };
  let [during, agents, commands] = ["", "", ""];
  sandbox.settings.answer = (_seen, response) => {
    sandbox.settings.answer = undefined;
    during = textBelow(join(person.root, "job"));
    for (const pid of otherProcesses()) {
      const command = shownOf(pid, "cmdline");
      commands += command;
      if (command.includes("--settings")) agents += shownOf(pid, "environ");
    }
    response.writeHead(302, { location: "/oauth2/start" }).end(); // it is asked again, with a newer token
  };
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const line = ["-i", ...variables, codemieClaude, "--task", "hello", "--id-token", "github"];
  const child = Bun.spawn(["env", ...line, "--base-url", sandbox.origin], {
    cwd: work,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect({ code, err: unmasked(err) }).toEqual({ code: 0, err: "" });
  expect(out.trim()).not.toBe("");
  expect(ci.issued).toContain(String(sandbox.calls("/v1/messages").at(-1)?.headers.authorization).slice(7));
  expect(ci.requests[0]).toEqual({ audience: sandbox.origin, authorization: `bearer ${ci.requestToken}` });
  expect(agents).toContain("ANTHROPIC_BASE_URL");
  expect(agents).not.toContain("ACTIONS_ID_TOKEN_REQUEST");
  const seen = [during, textBelow(join(person.root, "job")), agents, commands, out, unmasked(err)].join("\n");
  expect(ci.issued.length).toBeGreaterThan(1);
  for (const secret of [ci.requestToken, ...ci.issued]) expect(seen.includes(secret)).toBe(false);
});

test("the variable does as the flag, and every command that takes a bearer token takes it", async () => {
  const env = { ...job, CODEMIE_ID_TOKEN: "github", CODEMIE_URL: sandbox.origin };
  expect((await models(env)).code).toBe(0);
  expect(ci.requests).toHaveLength(1);
  const status = JSON.parse((await person.run(["profile", "status", "--json"], { env })).out);
  expect(status).toMatchObject({
    method: "jwt",
    authenticated: true,
    user: { name: subjects[0] },
    expiresFrom: "token",
  });
  expect((await person.run(["profile", "status"], { env })).out).toContain("the identity token of GitHub Actions");
  const { code, out, err } = await person.run(["token"], { env });
  expect({ code, err: unmasked(err) }).toEqual({ code: 0, err: "" });
  expect(out.trim()).toBe(ci.issued.at(-1) ?? "");
  const direct = await person.run(["token", "--id-token", "github"], { env: { ...job, CODEMIE_URL: sandbox.origin } });
  expect(direct.out.trim()).toBe(ci.issued.at(-1) ?? "");
  const { checks, ok } = JSON.parse((await person.run(["doctor", "--json"], { env })).out);
  expect(ok).toBe(true);
  const { message } = checks.find(({ id }: { id: string }) => id === "credential");
  expect(message).toContain(`the identity token of GitHub Actions, for ${subjects[0]}`);
  expect((await person.run(["profile", "refresh"], { env })).code).toBe(2);
});

test("the gateway on its own runs with it, detached too", async () => {
  const env = { ...job, CODEMIE_URL: sandbox.origin };
  const started = await person.run(["proxy", "start", "--detach", "--json", "--id-token", "github"], { env });
  expect({ code: started.code, err: unmasked(started.err) }).toEqual({ code: 0, err: "" });
  const { url, key } = JSON.parse(started.out);
  const body = JSON.stringify({ model: "m", messages: [] });
  expect((await fetch(`${url}/v1/messages`, { method: "POST", headers: { "x-api-key": key }, body })).status).toBe(200);
  expect(ci.issued).toContain(bearer());
  expect((await person.run(["proxy", "stop"], { env })).code).toBe(0);
  expect(textBelow(person.root).includes(ci.requestToken)).toBe(false);
});

ciTest("GitHub's subject is read in both forms, and the audit trail names it", async () => {
  await logIn(person, sandbox); // so that there is a trail
  for (const sub of subjects) {
    ci.claims = { sub };
    const env = { ...job, ...withClaude(person) };
    const flags = ["--task", "hello", "--id-token", "github", "--base-url", sandbox.origin];
    const { code, err } = await person.run(flags, { program: codemieClaude, env });
    expect({ code, err: unmasked(err) }).toEqual({ code: 0, err: "" });
    expect((await person.run(["token", "--id-token", "github"], { env })).code).toBe(0);
    const { out } = await person.run(["audit", "export"]);
    const lines = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const last = (event: string) => lines.findLast((line) => line.event === event)?.detail.subject;
    expect([last("agent-run"), last("token-printed")]).toEqual([sub, sub]);
    for (const secret of ci.issued) expect(out.includes(secret)).toBe(false);
  }
});

test("another audience is asked for where the host wants one", async () => {
  sandbox.front.trust(ci.issuer, "codemie-api", ci.publicKey);
  expect((await models(job, "--id-token", "github", "--audience", "codemie-api")).code).toBe(0);
  expect(ci.requests.map(({ audience }) => audience)).toEqual(["codemie-api"]);
});

test("a name within a list within the list is no audience", async () => {
  const token = await ci.mint({ aud: [[sandbox.origin]] as unknown as string[], sub: "repo:octo/repo" });
  const { code, out } = await models({ JOB_IDENTITY: token }, "--id-token", "env:JOB_IDENTITY");
  expect([code, out]).toEqual([4, expect.stringContaining("it is for nobody, not for")]);
});

test("a token is had anew before it ends, by one request for all that wait", async () => {
  const now = Math.floor(Date.now() / 1000);
  ci.claims = { iat: now - 3600, exp: now + 50 }; // in its last minute, and accepted all the same
  const flags = ["--base-url", sandbox.origin, "--id-token", "github", "--silent"];
  await using gateway = await startGateway(person, flags, job);
  const before = ci.issued.length;
  ci.claims = {};
  const answers = await Promise.all(Array.from({ length: 10 }, () => gateway.post()));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  expect(ci.issued.length).toBe(before + 1);
  expect(bearer()).toBe(ci.issued.at(-1) ?? "");
});

ciTest("an endpoint that cannot answer now is asked again", async () => {
  ci.answer = () => {
    if (ci.requests.length > 1) ci.answer = undefined;
    return new Response("", { status: 503 });
  };
  expect(await models(job, "--id-token", "github")).toMatchObject({ code: 0, err: "" });
  expect(ci.requests).toHaveLength(3);
});

test("one that the host refuses is had anew once; then the message says whom to trust", async () => {
  ci.claims = { sub: "repo:stranger/repo" };
  sandbox.settings.answer = undefined;
  const { code, err } = await models(job, "--id-token", "github", "--audience", "unknown-here");
  expect(code).toBe(4);
  expect(JSON.parse((await models(job, "--id-token", "github", "--audience", "unknown-here")).out).error).toMatchObject(
    {
      code: "auth_expired",
      message: `${sandbox.origin} did not accept the identity of repo:stranger/repo`,
      hint: expect.stringContaining(`trust the issuer ${ci.issuer} for the audience unknown-here`),
    },
  );
  expect(err).not.toContain("eyJ");
  expect(ci.requests).toHaveLength(4);
});

test("in mid-run too: the agent is told whose identity was refused, and GitHub is not asked again and again", async () => {
  const flags = ["--base-url", sandbox.origin, "--id-token", "github", "--silent"];
  await using gateway = await startGateway(person, flags, job);
  const before = ci.requests.length;
  sandbox.settings.answer = (_seen, response) => void response.writeHead(302, { location: "/oauth2/start" }).end();
  for (let i = 0; i < 3; i++) {
    const answer = await gateway.post();
    expect(answer.status).toBe(401);
    expect(await answer.text()).toContain(`did not accept the identity of ${subjects[0]}`);
  }
  expect(ci.requests.length).toBe(before + 1);
  sandbox.settings.answer = undefined;
  expect((await gateway.post()).status).toBe(200);
});

test("an empty variable is told, and a host that is missing", async () => {
  const empty = await person.run(["models", "--url", sandbox.origin], { env: { ...job, CODEMIE_ID_TOKEN: "" } });
  expect(empty).toMatchObject({ code: 4, err: expect.stringContaining("CODEMIE_ID_TOKEN is set but empty") });
  const lost = await person.run(["models"], { env: { ...job, CODEMIE_ID_TOKEN: "github" } });
  expect(lost).toMatchObject({ code: 2, err: expect.stringContaining("set CODEMIE_URL") });
});

test("GitLab's variable: the agent does not get it", async () => {
  const token = await ci.mint({
    aud: [sandbox.origin, "other"],
    sub: "project_path:team/app:ref_type:branch:ref:main",
  });
  const flags = ["--base-url", sandbox.origin, "--id-token", "env:CODEMIE_JOB_IDENTITY", "--silent"];
  const gateway = await startGateway(person, flags, { CODEMIE_JOB_IDENTITY: token, KEPT: "yes" });
  expect((await gateway.post()).status).toBe(200);
  expect(bearer()).toBe(token);
  expect(gateway.agent.env).toMatchObject({ KEPT: "yes" });
  expect(JSON.stringify(gateway.agent)).not.toContain(token);
  expect(Object.keys(gateway.agent.env)).not.toContain("CODEMIE_ID_TOKEN");
  await gateway.stopQuietly();
});

test("the variables stay with an agent that does not run on them", async () => {
  const env = { ...job, GITHUB_ACTIONS: "", CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") };
  const gateway = await startGateway(person, ["--base-url", sandbox.origin, "--silent"], env);
  expect(gateway.agent.env).toMatchObject({ ACTIONS_ID_TOKEN_REQUEST_TOKEN: ci.requestToken });
  await gateway.stopQuietly();
});

ciTest("no other program that a command starts gets the variable either", async () => {
  const script = person.install("passphrase", '#!/bin/sh\nenv > "$HOME/seen"\necho correct horse battery staple\n');
  person.env.CODEMIE_VAULT_PASSPHRASE_COMMAND = script;
  await logIn(person, sandbox);
  const env = { ...job, JOB_IDENTITY: await ci.mint({ aud: sandbox.origin }), CODEMIE_URL: sandbox.origin };
  const seen = join(person.home, "seen");
  for (const [flags, more] of [
    [["--id-token", "env:JOB_IDENTITY"], {}],
    [[], { CODEMIE_ID_TOKEN: "env:JOB_IDENTITY" }],
  ] as const) {
    rmSync(seen);
    expect((await person.run(["token", ...flags], { env: { ...env, ...more } })).code).toBe(0); // it writes the trail
    expect(readFileSync(seen, "utf8")).not.toContain("JOB_IDENTITY");
  }
  rmSync(seen);
  expect((await person.run(["token", "--id-token", "github"], { env })).code).toBe(0);
  expect(readFileSync(seen, "utf8")).not.toContain("ACTIONS_ID_TOKEN");
});

test("Kubernetes' file is read again when it changes", async () => {
  // as the kubelet lays it: a link to a link, and another target is renamed into the place
  const folder = join(person.root, "tokens");
  const put = async (name: string) => {
    mkdirSync(join(folder, name), { recursive: true });
    const token = await ci.mint({ aud: [sandbox.origin], sub: `system:serviceaccount:ci:${name}` });
    writeFileSync(join(folder, name, "token"), `${token}\n`);
    symlinkSync(name, join(folder, "..data.new"));
    renameSync(join(folder, "..data.new"), join(folder, "..data"));
    return token;
  };
  const first = await put("first");
  const file = join(folder, "..data", "token");
  await using gateway = await startGateway(person, ["--base-url", sandbox.origin, "--id-token", `file:${file}`]);
  expect((await gateway.post()).status).toBe(200);
  expect(bearer()).toBe(first);
  const second = await put("second");
  expect((await gateway.post()).status).toBe(200);
  expect(bearer()).toBe(second);
});

test("exchanged by client assertion (RFC 7523) where a provider and a client are named", async () => {
  const token = await ci.mint({ aud: provider.issuer, iss: jobClients.assertion, sub: jobClients.assertion });
  const flags = ["--id-token", "env:ID", "--issuer", provider.issuer, "--client-id", jobClients.assertion];
  expect(await models({ ID: token }, ...flags, "--scope", "models")).toMatchObject({ code: 0, err: "" });
  expect(Object.fromEntries(provider.forms[0] ?? [])).toEqual({
    grant_type: "client_credentials",
    client_id: jobClients.assertion,
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: token,
    scope: "models",
  });
  expect(provider.forms).toHaveLength(1);
  expect(decodeJwt(bearer())).toMatchObject({ iss: provider.issuer, aud: sandbox.origin });
});

test("exchanged by token exchange (RFC 8693) where the provider takes no assertion, and anew before its end", async () => {
  provider.saidSeconds = 1;
  const exchange = ["--issuer", provider.issuer, "--client-id", jobClients.exchange];
  const flags = ["--base-url", sandbox.origin, "--id-token", "github", ...exchange, "--silent"];
  await using gateway = await startGateway(person, flags, job);
  expect((await gateway.post()).status).toBe(200);
  expect(ci.requests[0]?.audience).toBe(provider.issuer);
  expect(decodeJwt(bearer())).toMatchObject({ iss: provider.issuer, sub: subjects[0], aud: sandbox.origin });
  expect(Object.fromEntries(provider.forms[1] ?? [])).toEqual({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    client_id: jobClients.exchange,
    subject_token: ci.issued[0] ?? "",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
  });
  provider.saidSeconds = 600;
  await Bun.sleep(1_000); // a moment on the clock, which nobody can announce
  const before = provider.forms.length;
  const answers = await Promise.all(Array.from({ length: 10 }, () => gateway.post()));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  expect(provider.forms.length).toBe(before + 1); // the way that worked, and no other
});

test("a profile names provider and client, for its own host alone", async () => {
  const oidc = { issuer: provider.issuer, clientId: jobClients.exchange, scope: "openid offline_access models" };
  person.writeConfig({ version: 2, activeProfile: "work", profiles: { work: { codeMieUrl: sandbox.origin, oidc } } });
  expect((await person.run(["models", "--id-token", "github"], { env: job })).code).toBe(0);
  expect(provider.forms.at(-1)?.get("scope")).toBe("models");
  const asked = provider.forms.length;
  const other = sandbox.origin.replace("127.0.0.1", "localhost");
  const flags = ["models", "--profile", "work", "--url", other, "--id-token", "github"];
  await person.run(flags, { env: job });
  expect(provider.forms.length).toBe(asked);
  expect(ci.requests.at(-1)?.audience).toBe(other);
});

test("a provider that refuses says so for both ways, without the token", async () => {
  const flags = ["--id-token", "github", "--issuer", provider.issuer, "--client-id", jobClients.neither];
  const { code, out } = await models(job, ...flags);
  expect(code).toBe(4);
  const { error } = JSON.parse(out);
  expect(error.code).toBe("auth_refused");
  for (const part of [subjects[0], "client assertion: invalid_request", "token exchange: "])
    expect(error.message).toContain(part);
  // a provider that repeats the token in its answer
  const strange = await ci.mint({ aud: provider.issuer, iss: "https://elsewhere.example" });
  const client = ["--issuer", provider.issuer, "--client-id", jobClients.exchange];
  const repeated = await models({ ID: strange }, "--id-token", "env:ID", ...client);
  expect(JSON.parse(repeated.out).error.message).toContain("not a token of ours: [redacted]");
  expect(repeated.out + repeated.err).not.toContain(strange);
});

test("the program's name for it is completed", async () => {
  const { out } = await person.run(["__complete", "claude", "--id"], { program: codemie });
  expect(out).toContain("--id-token");
});
