const identifierPattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
// biome's control-character rule is about accidents; here the Cc category itself is the rule.
const controlPattern = /\p{Cc}/u;

/** A name as the specification allows it: Latin letters, digits and underscores, no leading digit. */
export function isIdentifier(text: string): boolean {
  return identifierPattern.test(text);
}

/** Length in Unicode code points, which is what every limit of the specification counts. */
export function codePointLength(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length - 1; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0xd800 || unit > 0xdbff) continue;
    const next = text.charCodeAt(index + 1);
    if (next >= 0xdc00 && next <= 0xdfff) {
      length--;
      index++;
    }
  }
  return length;
}

/** The first control character (category Cc) that is not in `except`, as `U+0007`; undefined if none. */
export function findControlCharacter(text: string, except = ''): string | undefined {
  if (!controlPattern.test(text)) return undefined;
  for (const character of text) {
    if (controlPattern.test(character) && !except.includes(character)) {
      const code = character.codePointAt(0) ?? 0;
      return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
    }
  }
  return undefined;
}

/** Text in quotes for a message, cut at 60 characters. */
export function quote(text: string): string {
  const shown = text.length > 60 ? `${text.slice(0, 57)}…` : text;
  return JSON.stringify(shown);
}
