/** Letters of 5 by 7 points: a byte for each column, its lowest bit on top. Small letters are capitals. */
const GLYPHS: Readonly<Record<string, readonly number[]>> = Object.fromEntries(
  [
    '0 3E5149453E',
    '1 00427F4000',
    '2 4261514946',
    '3 2141454B31',
    '4 1814127F10',
    '5 2745454539',
    '6 3C4A494930',
    '7 0171090503',
    '8 3649494936',
    '9 064949291E',
    'A 7E1111117E',
    'B 7F49494936',
    'C 3E41414122',
    'D 7F4141221C',
    'E 7F49494941',
    'F 7F09090901',
    'G 3E4149497A',
    'H 7F0808087F',
    'I 00417F4100',
    'J 2040413F01',
    'K 7F08142241',
    'L 7F40404040',
    'M 7F020C027F',
    'N 7F0408107F',
    'O 3E4141413E',
    'P 7F09090906',
    'Q 3E4151215E',
    'R 7F09192946',
    'S 4649494931',
    'T 01017F0101',
    'U 3F4040403F',
    'V 1F2040201F',
    'W 3F4038403F',
    'X 6314081463',
    'Y 0708700807',
    'Z 6151494543',
    '- 0808080808',
    '_ 4040404040',
    '. 0060600000',
    '/ 2010080402',
    '# 147F147F14',
  ].map((line) => [
    line[0],
    (line.slice(2).match(/../g) ?? []).map((hex) => Number.parseInt(hex, 16)),
  ]),
);
const COLUMNS = 5;
const ROWS = 7;

/** Of one line of text without its ends, points. */
export const textWidth = (text: string): number => text.length * (COLUMNS + 1) - 1;
export const TEXT_HEIGHT = ROWS;

/** Calls `draw` for every point of a text. Characters without a glyph are blanks. */
export function drawText(text: string, draw: (x: number, y: number) => void): void {
  for (const [index, character] of [...text.toUpperCase()].entries()) {
    for (const [column, bits] of (GLYPHS[character] ?? []).entries()) {
      for (let row = 0; row < ROWS; row++) {
        if (((bits >> row) & 1) === 1) draw(index * (COLUMNS + 1) + column, row);
      }
    }
  }
}
