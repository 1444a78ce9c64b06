const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];

/** 1,536 → "1.5 KB". Powers of 1,024. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** "1.5 KB", "10TB", "800" → bytes, as formatBytes counts; undefined: it is no such text. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?(bytes|KB|MB|GB|TB)?$/i.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] ?? 'bytes').toLowerCase();
  const power = units.findIndex((name) => name.toLowerCase() === unit);
  const bytes = Math.round(Number(match[1]) * 1024 ** power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
