import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blankLanguages } from "../../release/icu.ts";
import { cases } from "../support/tiers.ts";

/** The data for other languages is blank in what we release: what the program uses of it is there, and no language stops it. */

const isMac = process.platform === "darwin"; // there Bun uses the system's data
let folder: string;
let blanked: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "codemie-icu-"));
  blanked = join(folder, "bun");
  if (isMac) return;
  const program = readFileSync(process.execPath);
  expect(blankLanguages(program)).toBeGreaterThan(8_000_000);
  writeFileSync(blanked, program);
  chmodSync(blanked, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Prints what a runtime makes of texts, hosts and times. */
const probe = `
  const { compare } = new Intl.Collator("en", { sensitivity: "base", numeric: true });
  console.log(JSON.stringify([
    ["z10", "Z9", "ä", "a", "中", "ß", "_"].sort(compare),
    ["z10", "Z9", "ä", "a"].sort((a, b) => a.localeCompare(b)),
    "e\\u0301ﬁ①한".normalize("NFC"), "ﬁ①e\\u0301".normalize("NFKC"), "é한".normalize("NFD"),
    new URL("https://bücher.例え.テスト/x").host, new URL("https://faß.de").host, URL.canParse("https://a\\u200d.de"),
    "İIıßΣ".toLowerCase(), "ßi".toUpperCase(), "I".toLocaleLowerCase("tr"),
    /^\\p{L}\\p{Emoji}\\p{Script=Han}$/u.test("ж😀中"),
    [...new Intl.Segmenter("en").segment("👨‍👩‍👧e\\u0301x")].length,
    [...new Intl.Segmenter(undefined, { granularity: "word" }).segment("hello big world")].length,
    new Date(0).toString(), new Date(0).toLocaleString(), new Date(0).toLocaleDateString("en", { dateStyle: "long", timeZone: "Europe/Berlin" }),
    (1234567.891).toLocaleString(), new Intl.PluralRules("en").select(1), new Intl.RelativeTimeFormat("en").format(-1, "day"),
    Bun.stringWidth("日本é👍"), new TextDecoder("shift_jis").decode(new Uint8Array([0x82, 0xa0])),
  ]));`;

const said = (program: string, script: string, language: string) => {
  const env = { LANG: language, LC_ALL: language, TZ: "Europe/Berlin" };
  const { stdout, stderr } = Bun.spawnSync([program, "-e", script], { cwd: "/", env });
  return stdout.toString() + stderr.toString();
};

for (const language of cases(["de_DE.UTF-8", "C", "tr_TR.UTF-8", "zh_CN.UTF-8", "en_GB.UTF-8", "xx_YY"], 2)) {
  test.skipIf(isMac)(`with LANG=${language} it makes the same of texts, hosts and times as before`, () => {
    const usual = said(process.execPath, probe, language);
    expect(usual).toStartWith("[");
    expect(said(blanked, probe, language)).toBe(usual);
  });
}

test.skipIf(isMac)("what is asked for in another language comes in none, and is no error", () => {
  const script = `
    for (const one of ["de", "zh-Hant-TW", "th", "ar-EG", "sr-Latn"]) {
      new Intl.DateTimeFormat(one, { dateStyle: "full" }).format(0);
      new Intl.NumberFormat(one, { style: "currency", currency: "EUR" }).format(1.5);
      new Intl.Collator(one).compare("a", "b");
      [...new Intl.Segmenter(one, { granularity: "word" }).segment("ภาษาไทย 日本語")];
      new Intl.DisplayNames(one, { type: "region" }).of("DE");
    }
    console.log("well");`;
  expect(said(blanked, script, "C")).toBe("well\n");
});

test("a program without such data, or with it twice, is an error", () => {
  const nothing = Buffer.alloc(100);
  expect(() => blankLanguages(nothing)).toThrow("a program with 0 packages of ICU's data");
  if (isMac) return;
  const once = readFileSync(process.execPath);
  expect(() => blankLanguages(Buffer.concat([once, once]))).toThrow("a program with 2 packages of ICU's data");
});
