import { join } from "node:path";
import { Glob } from "bun";

const top = join(import.meta.dir, "../..");

/** A document, cut into what a reader sees as text and what as code. */
export interface Document {
  /** path from the top of the repository */
  readonly file: string;
  /** fenced blocks with the word behind the fence */
  readonly blocks: readonly { readonly language: string; readonly text: string }[];
  /** code within the text, without its backticks */
  readonly codes: readonly string[];
  /** targets of links, as written */
  readonly links: readonly string[];
  /** anchors of the headings, as GitHub makes them */
  readonly anchors: readonly string[];
  readonly text: string;
}

/** @returns every Markdown document of the repository */
export async function documents(): Promise<Document[]> {
  const files = [...new Glob("**/*.md").scanSync({ cwd: top, dot: true })];
  const own = files.filter((file) => !/(^|\/)(node_modules|dist|\.git)\//.test(file)).sort();
  return await Promise.all(own.map(async (file) => readDocument(file, await Bun.file(join(top, file)).text())));
}

const fence = /^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm;
const code = /`([^`]+)`/g;

/** @returns a document out of its text */
export function readDocument(file: string, text: string): Document {
  const blocks = [...text.matchAll(fence)].map(([, language = "", inner = ""]) => ({ language, text: inner }));
  const prose = text.replace(fence, "").replace(/<!--.*?-->/g, "");
  // Code may run over the end of a line, but not over the end of a paragraph or of a table's row.
  const parts = prose.split(/\n{2,}/).flatMap((part) => (part.startsWith("|") ? part.split("\n") : [part]));
  const codes = parts.flatMap((part) =>
    [...part.matchAll(code)].map(([, inner = ""]) => inner.replaceAll("\\|", "|").replaceAll("\n", " ")),
  );
  const links = [...prose.replace(code, "code").matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = ""]) => target);
  return { file, blocks, codes, links, anchors: anchorsOf(prose), text };
}

function anchorsOf(prose: string): string[] {
  const seen = new Map<string, number>();
  return [...prose.matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = ""]) => {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, "")
      .replaceAll(" ", "-");
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return before === 0 ? slug : `${slug}-${before}`;
  });
}
