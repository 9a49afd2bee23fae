import type { Output } from "../frame/output.ts";
import { bridgeFlags } from "./flags.ts";

/** Flags for any server. */
const usual: readonly (readonly [flags: string, about: string])[] = [
  ["--header 'NAME: VALUE'", "send this header to the server (repeatable)"],
  ["--header-env 'NAME: VARIABLE'", "the same with a variable's value: for secrets (repeatable)"],
  ["--header-file FILE", "a file with more of them, one NAME: VALUE a line"],
  ["--transport KIND", "auto (default), http (Streamable HTTP) or sse (the older HTTP+SSE)"],
  ["--protocol REVISION", "auto (default), 2025-11-25 or 2026-07-28: the revision of MCP that the server speaks"],
  ["--allow-http", "allow plain http: to another machine"],
  [
    "--timeout SECONDS",
    "longest wait without a byte from the server, 0 for ever (default 600, 30 for the first answer)",
  ],
  ["--ignore-tool PATTERN", "keep a tool from the client; * stands for any text (repeatable)"],
  ["--persist", "keep the login in the vault, for all bridges to this server"],
  ["--explain", "connect once and show every step, up to the one that fails"],
  ["--json", "with --explain: as one JSON document"],
  ["--no-color", "print without colour"],
  ["--version", "our version"],
  ["-h, --help", "this help"],
];

/** Flags for a server that demands a login. */
const ofLogin: readonly (readonly [flags: string, about: string])[] = [
  ["--grant KIND", "authorization-code (default), client-credentials, enterprise or jwt-bearer"],
  ["--scope 'A B'", "scopes to ask for (default: those the server names)"],
  ["--prompt VALUE", "what its pages ask: login, consent, select_account, none; '' leaves it to the server"],
  ["--authorize-param NAME=VALUE", "one more parameter of the authorization request (repeatable)"],
  ["--resource URI", "resource to name instead of the server's own; --no-resource names none"],
  ["--issuer URL", "the only authorization server to use"],
  ["--client-id ID", "our client ID there (default: the bridge registers itself)"],
  ["--client-secret-env NAME", "variable with the client's secret"],
  ["--client-key FILE", "file with its private key, PKCS#8 PEM or JWK; --client-key-env NAME: a variable"],
  ["--client-metadata-url URL", "client ID metadata document"],
  ["--callback-host HOST", "host of the callback: localhost (default), 127.0.0.1 or ::1"],
  ["--callback-port N", "fixed port of the callback http://localhost:N/callback"],
  ["--auth-timeout SECONDS", "how long to wait for the browser (default 120)"],
  ["--device-code", "log in with a code that you enter in a browser on any machine"],
  ["--no-browser", "print the address instead of opening a browser"],
  ["--profile NAME", "enterprise: the OpenID login to use (default: the active profile's)"],
  [
    "--idp-token-endpoint URL --idp-client-id ID --id-token-env NAME",
    "enterprise: another identity provider, and an ID token of it",
  ],
  ["--idp-client-secret-env NAME", "enterprise: variable with the secret of our client there"],
  ["--id-token SOURCE", "jwt-bearer: this job's identity token: github, env:NAME or file:PATH"],
  ["--audience AUD", "jwt-bearer: whom that token is for (default: the authorization server)"],
];

/** Width of the first column of the help, columns. */
const firstColumn = 29;

/** @returns a line of the help; two where the flags need the first column and more */
function line([flags, about]: readonly [string, string]): string {
  const first = `${flags.startsWith("-h") ? "  " : "      "}${flags}`;
  const second = " ".repeat(6 + firstColumn);
  return first.length + 1 < second.length ? `${first.padEnd(second.length)}${about}` : `${first}\n${second}${about}`;
}

/** @returns every flag of the bridge, with its dashes, and what the help says of it */
export function bridgeFlagsWithHelp(): [flag: string, about: string][] {
  const all = [...usual, ...ofLogin];
  return bridgeFlags.map((name) => {
    const flag = `--${name}`;
    const isNamedIn = (text: string) => text.split(/[\s,:;]+/).includes(flag);
    // Some have no line of their own: the line of another flag explains them.
    const found = all.find(([flags]) => isNamedIn(flags)) ?? all.find(([, about]) => isNamedIn(about));
    return [flag, found?.[1] ?? ""];
  });
}

/** @returns the bridge's help */
export function mcpHelp(output: Output): string {
  const bold = (text: string) => output.paint("bold", text);
  return `Let a client that starts its MCP servers as local programs use a server on the network

${bold("Usage")}
  codemie-mcp-proxy URL [flags]

${bold("Flags")}
${usual.map(line).join("\n")}

${bold("When the server demands a login")}
${ofLogin.map(line).join("\n")}

It speaks MCP on standard input and output. Its log is logs/mcp-proxy.log; MCP_PROXY_DEBUG=true makes it say more.

${bold("Examples")}
  codemie-mcp-proxy https://mcp.example.com/mcp
  codemie-mcp-proxy https://mcp.example.com/sse --transport sse
  codemie-mcp-proxy https://mcp.example.com/mcp --header-env 'X-Api-Key: MCP_KEY'
  codemie-mcp-proxy https://mcp.example.com/mcp --header-env 'Authorization: Bearer MCP_TOKEN'
`;
}
