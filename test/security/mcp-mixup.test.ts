import { expect, test } from "bun:test";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { ciTest } from "../support/tiers.ts";

/** Threat: an authorization server sends the person to another one's page, and gets the code that this one issued. */

/** An authorization server whose page is on another host, and which does not name itself in its answers. */
const withForeignPage = async (promised: boolean) => {
  const server = await startProtected(promised ? {} : { callback: { iss: undefined } });
  const page = server.issuer.replace("127.0.0.1", "localhost");
  server.settings.server = {
    authorization_endpoint: `${page}/authorize`,
    authorization_response_iss_parameter_supported: promised,
  };
  return { server, page };
};

ciTest(
  "a page on another host than the issuer's is not opened, unless iss or --issuer tells whose it is (RFC 9700 section 4.4)",
  async () => {
    const { server, page } = await withForeignPage(false);
    const bridge = new AuthorizedBridge(server.url);
    const { error } = await bridge.initialize();
    expect(error?.message).toContain(`has its login page on another host, ${new URL(page).hostname},`);
    expect(error?.message).toContain(`give --issuer ${server.issuer}`);
    expect([bridge.opened(), server.calls("/register"), server.calls("/token")]).toEqual([[], [], []]);
    await bridge.finish();

    const named = new AuthorizedBridge(server.url, ["--issuer", server.issuer]);
    expect((await named.initialize()).result).toBeDefined();
    await named.finish();
    await server.close();

    const promising = await withForeignPage(true);
    const trusting = new AuthorizedBridge(promising.server.url);
    expect((await trusting.initialize()).result).toBeDefined();
    await trusting.finish();
    await promising.server.close();
  },
);

ciTest(
  "a registration's redirect is another one for each issuer; a client that the user names keeps the one path",
  async () => {
    const [one, other] = [await startProtected(), await startProtected()];
    const paths: string[] = [];
    for (const [url, ...flags] of [[one.url], [one.url], [other.url], [one.url, "--client-id", "mine"]] as const) {
      const bridge = new AuthorizedBridge(url, [...flags]);
      expect((await bridge.initialize()).result).toBeDefined();
      const redirect = bridge.authorizing()[0]?.searchParams.get("redirect_uri");
      paths.push(new URL(redirect ?? "").pathname);
      await bridge.finish();
    }
    expect(paths[0]).toMatch(/^\/callback\/[A-Za-z0-9_-]{22}$/);
    expect(paths[1]).toBe(paths[0] ?? "");
    expect(paths[2]).toMatch(/^\/callback\/[A-Za-z0-9_-]{22}$/);
    expect(paths[2]).not.toBe(paths[0] ?? "");
    expect(paths[3]).toBe("/callback");
    await one.close();
    await other.close();
  },
);

test("the terminal names the host of the page that opens", async () => {
  const { server, page } = await withForeignPage(true);
  for (const flags of [[], ["--no-browser", "--auth-timeout", "1"]]) {
    const bridge = new AuthorizedBridge(server.url, flags);
    await bridge.initialize();
    expect(bridge.err).toContain(`to log in to ${server.origin} at ${page}`);
    await bridge.finish();
  }
  await server.close();
});
