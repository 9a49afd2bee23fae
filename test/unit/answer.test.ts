import { expect, test } from "bun:test";
import { AnswerReader, BadAnswer } from "../../src/http1/answer.ts";

/** Feeds an answer in pieces of `size` bytes and tells what came of it. */
function read(text: string, size = text.length, method = "POST") {
  const bytes = Buffer.from(text, "latin1");
  const reader = new AnswerReader(method);
  let body = "";
  for (let at = 0; at < bytes.length; at += size) {
    // a copy, so that a piece that is kept shows when it is not
    reader.push(Buffer.from(bytes.subarray(at, at + size)), (piece) => {
      body += Buffer.from(piece).toString("latin1");
    });
  }
  const { head, ended, keepsAlive } = reader;
  return { head, body, ended, keepsAlive, whole: reader.close() };
}

const ok = "HTTP/1.1 200 OK\r\n";

const good: [string, string, { status?: number; body: string; ended?: boolean; keepsAlive?: boolean }, string?][] = [
  ["a length", `${ok}Content-Length: 5\r\n\r\nhello`, { body: "hello", ended: true, keepsAlive: true }],
  ["no body", `${ok}Content-Length: 0\r\n\r\n`, { body: "", ended: true, keepsAlive: true }],
  [
    "chunks",
    `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n`,
    { body: "hello!", ended: true },
  ],
  ["a coding in capitals", `${ok}Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n`, { body: "", ended: true }],
  [
    "extensions and trailers",
    `${ok}Transfer-Encoding: chunked\r\n\r\nA;a="b; \\" c";d=e;f\r\n0123456789\r\n000;x\r\nX-T: 1\r\nX-U: 2\r\n\r\n`,
    { body: "0123456789", ended: true, keepsAlive: true },
  ],
  ["neither length nor chunks", `${ok}X: y\r\n\r\nall of it`, { body: "all of it", ended: false, keepsAlive: false }],
  [
    "interim answers",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\nContent-Length: 9\r\n\r\n${ok}Content-Length: 2\r\n\r\n{}`,
    { body: "{}", ended: true },
  ],
  ["no reason", "HTTP/1.1 204\r\n\r\n", { status: 204, body: "", ended: true }],
  ["not modified", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", { status: 304, body: "", ended: true }],
  ["an answer to HEAD", `${ok}Content-Length: 5\r\n\r\n`, { body: "", ended: true, keepsAlive: true }, "HEAD"],
  ["close", `${ok}Connection: x, Close\r\nContent-Length: 1\r\n\r\n1`, { body: "1", ended: true, keepsAlive: false }],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1", { body: "1", ended: true, keepsAlive: false }],
  ["a second answer", `${ok}Content-Length: 1\r\n\r\n1${ok}`, { body: "1", ended: true, keepsAlive: false }],
];
for (const [name, text, expected, method] of good) {
  test(`${name}, however it is cut`, () => {
    for (let size = 1; size <= text.length; size++) {
      const { head, body, ended, keepsAlive, whole } = read(text, size, method);
      expect({ size, status: head?.status, body, whole, ended, keepsAlive }).toMatchObject({
        size,
        status: 200,
        whole: true,
        ...expected,
      });
    }
  });
}

test("headers: names in lower case, repeated ones joined, blanks off, cookies apart", () => {
  const { head } = read(
    `${ok}A:1\r\nX-B:  \t two words\t \r\na: 3\r\nSet-Cookie: s=1; Path=/\r\nset-cookie: t=2\r\nE:\r\nF: \xe9\r\n__proto__: x\r\nContent-Length: 0\r\n\r\n`,
  );
  expect(head?.setCookies).toEqual(["s=1; Path=/", "t=2"]);
  expect({ ...head?.headers }).toEqual({ a: "1, 3", "x-b": "two words", e: "", f: "\xe9", "content-length": "0" });
});

const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;
const bad: [string, string][] = [
  ["another protocol", "SSH-2.0-OpenSSH\r\n\r\n"],
  ["HTTP/2", "HTTP/2 200 OK\r\n\r\n"],
  ["a status that is none", "HTTP/1.1 99 x\r\n\r\n"],
  ["four digits", "HTTP/1.1 2000 x\r\n\r\n"],
  ["a switch of protocols", "HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n"],
  ["a bare line feed", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
  ["a bare carriage return", `${ok}A: 1\rContent-Length: 0\r\n\r\n`],
  ["a zero byte", `${ok}A: \0\r\n\r\n`],
  ["a space before the colon", `${ok}Content-Length : 0\r\n\r\n`],
  ["a folded header", `${ok}A: 1\r\n b\r\n\r\n`],
  ["a header without a name", `${ok}: 1\r\n\r\n`],
  ["a line without a colon", `${ok}hello\r\n\r\n`],
  ["a length beside chunks", `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["two lengths", `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
  ["the same length twice", `${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ["a signed length", `${ok}Content-Length: +5\r\n\r\nhello`],
  ["a negative length", `${ok}Content-Length: -1\r\n\r\n`],
  ["a length in hexadecimal", `${ok}Content-Length: 0x5\r\n\r\nhello`],
  ["an empty length", `${ok}Content-Length:\r\n\r\n`],
  ["an unknown coding", `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ["chunks twice", `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["chunks of HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["a chunk size that is none", `${chunked}zz\r\n`],
  ["a chunk size with a sign", `${chunked}-1\r\n`],
  ["a blank behind a chunk size", `${chunked}1 \r\na\r\n0\r\n\r\n`],
  ["a tab before a chunk's extension", `${chunked}1\t;a\r\na\r\n0\r\n\r\n`],
  ["a blank in a chunk's extension", `${chunked}1; a\r\na\r\n0\r\n\r\n`],
  ["a chunk's extension without a name", `${chunked}1;\r\na\r\n0\r\n\r\n`],
  ["a chunk's extension without a value", `${chunked}1;a=\r\na\r\n0\r\n\r\n`],
  ["an open quote in a chunk's extension", `${chunked}1;a="b\r\na\r\n0\r\n\r\n`],
  ["a quote that opens inside a value", `${chunked}1;a=b"c"\r\na\r\n0\r\n\r\n`],
  ["an empty chunk size", `${chunked}\r\n`],
  ["a huge chunk size", `${chunked}fffffffffffffff\r\n`],
  ["a chunk that is longer than it said", `${chunked}1\r\nab\r\n0\r\n\r\n`],
  ["a chunk's end without a carriage return", `${chunked}1\r\na\n0\r\n\r\n`],
  ["a line feed alone behind a size", `${chunked}1\na\r\n0\r\n\r\n`],
];
for (const [name, text] of bad) {
  test(`${name} is refused, however it is cut`, () => {
    for (let size = 1; size <= text.length; size++) expect(() => read(text, size)).toThrow(BadAnswer);
  });
}

test("an answer that breaks off is never whole", () => {
  for (const text of [`${ok}Content-Length: 5\r\n\r\nhello`, `${chunked}5\r\nhello\r\n0\r\nX: y\r\n\r\n`]) {
    for (let length = 0; length < text.length; length++) expect(read(text.slice(0, length)).whole).toBe(false);
  }
});

test("what has no end is refused before it fills the memory, and bytes one by one cost no more", () => {
  const endless: [string, string, number][] = [
    ["", "x", 300_000],
    [ok, "X-A: 1\r\n", 40_000],
    [`${ok}A: `, " ", 300_000],
    ["", "HTTP/1.1 103 x\r\n\r\n", 20_000],
    [`${chunked}1;`, "x", 5_000],
    [`${chunked}0\r\n`, "X: 1\r\n", 20_000],
  ];
  for (const [start, more, times] of endless) {
    const reader = new AnswerReader("POST");
    const feed = (text: string) => reader.push(Buffer.from(text, "latin1"), () => undefined);
    expect(() => {
      if (start) feed(start);
      for (let n = 0; n < times; n++) for (const char of more) feed(char);
    }).toThrow(BadAnswer);
  }
});
