/** Most levels of lists and objects in a document from elsewhere: the runtime takes seconds for a million of them. */
const mostLevels = 64;

/**
 * @param text JSON text from elsewhere
 * @returns its value
 * @throws SyntaxError when it is not JSON, or nested deeper than {@link mostLevels}
 */
export function jsonValue(text: string): unknown {
  let level = 0;
  let isInText = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (isInText) {
      if (char === 0x5c) i++;
      else if (char === 0x22) isInText = false;
    } else if (char === 0x22) isInText = true;
    else if (char === 0x5b || char === 0x7b) {
      if (++level > mostLevels) throw new SyntaxError("nested too deeply");
    } else if (char === 0x5d || char === 0x7d) level--;
  }
  return JSON.parse(text);
}
