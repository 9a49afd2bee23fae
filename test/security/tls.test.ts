import { afterAll, beforeAll, expect, test } from "bun:test";
import { generate } from "selfsigned";
import { Person } from "../support/codemie.ts";

/** Threat: somebody in between shows another certificate, and a variable in the shell makes the program believe it. */

let server: Bun.Server<undefined>;
let requests = 0;
let certificate = "";
beforeAll(async () => {
  const pair = await generate([{ name: "commonName", value: "127.0.0.1" }], {
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }],
  });
  certificate = pair.cert;
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: pair.cert, key: pair.private },
    fetch: () => {
      requests++;
      return new Response(null, { status: 302, headers: { location: "/oauth2/start" } });
    },
  });
});
afterAll(() => server.stop(true));

for (const env of [{}, { NODE_TLS_REJECT_UNAUTHORIZED: "0" }] as Record<string, string>[]) {
  test(`a certificate nobody vouches for is refused ${JSON.stringify(env)}`, async () => {
    const person = new Person();
    const { code, err } = await person.run(["profile", "login", "--url", `https://127.0.0.1:${server.port}`], { env });
    expect(code).toBe(5);
    expect(err).toContain("error: the certificate of https://127.0.0.1:");
    expect(err).toContain("hint: if your company runs its own certificate authority");
    expect(requests).toBe(0);
    person.remove();
  });
}

test("an authority named in NODE_EXTRA_CA_CERTS is believed", async () => {
  const person = new Person();
  const file = `${person.root}/ca.pem`;
  await Bun.write(file, certificate);
  const login = person.start(["profile", "login", "--url", `https://127.0.0.1:${server.port}`], {
    env: { NODE_EXTRA_CA_CERTS: file },
  });
  await login.says(/waiting for the login/);
  expect(requests).toBe(1);
  login.kill("SIGTERM");
  await login.finished();
  person.remove();
});
