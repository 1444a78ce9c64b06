/** Reads a Lua script's reply; a shape the script does not promise is a bug and throws. */

export function asArray(reply: unknown): unknown[] {
  if (!Array.isArray(reply)) throw new TypeError('redis: expected an array reply');
  return reply;
}

export function asText(reply: unknown): string {
  if (typeof reply !== 'string') throw new TypeError('redis: expected a text reply');
  return reply;
}

/** An integer reply, or one that Redis keeps as text. */
export function asInteger(reply: unknown): number {
  const value = typeof reply === 'string' && reply !== '' ? Number(reply) : reply;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new TypeError('redis: expected an integer reply');
  }
  return value;
}

/** `[a, b, c, d]` as `[[a, b], [c, d]]`. */
export function inPairs(words: readonly unknown[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < words.length; i += 2)
    pairs.push([asText(words[i]), asText(words[i + 1])]);
  return pairs;
}
