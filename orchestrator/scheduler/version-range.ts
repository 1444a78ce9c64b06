const PART = /(>=|<=|>|<|=)?\s*(\d+(?:\.\d+)*)/g;

/** Whether `version` (such as `3.4.1`) is within a range of protocol/placement.ts. */
export function versionWithin(version: string, range: string): boolean {
  const own = numbersOf(version);
  if (own.length === 0) return false;
  return [...range.matchAll(PART)].every(([, operator, text = '']) => {
    const wanted = numbersOf(text);
    // A bare version stands for all that begin with it.
    if (operator === undefined) return wanted.every((part, i) => (own[i] ?? 0) === part);
    const order = compareVersions(own, wanted);
    switch (operator) {
      case '>=':
        return order >= 0;
      case '<=':
        return order <= 0;
      case '>':
        return order > 0;
      case '<':
        return order < 0;
      default:
        return order === 0;
    }
  });
}

const numbersOf = (version: string): number[] =>
  (/\d+(?:\.\d+)*/.exec(version)?.[0] ?? '').split('.').filter(Boolean).map(Number);

function compareVersions(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
