export { formatBytes } from '@karst/shared/byte-text.ts';

/**
 * Takes control characters out of text that others wrote (names, statuses), so that it can't move
 * the cursor or recolour the terminal.
 */
export function plainText(text: string): string {
  let plain = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    plain += code < 0x20 || (code >= 0x7f && code < 0xa0) ? ' ' : character;
  }
  return plain;
}

/** At most `widthMax` characters, the last an ellipsis where something was cut. */
export function clip(text: string, widthMax: number): string {
  const characters = [...text];
  if (characters.length <= widthMax) return text;
  return `${characters.slice(0, Math.max(0, widthMax - 1)).join('')}…`;
}

/** 3,725,000 ms → "1 h 2 min"; 62,000 → "1 min 2 s"; 900 → "0.9 s". */
export function formatDuration(ms: number): string {
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} d`;
}

export const count = (n: number, noun: string): string =>
  `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : 's'}`;
