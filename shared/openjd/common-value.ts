import { parseFloatText } from './float-text.ts';
import { type IntRange, type IntSpan, parseIntRange, rangeContains } from './int-range.ts';
import { parseInteger } from './int64.ts';
import type { ResolvedTaskParameter } from './resolved-job.ts';

/**
 * A value that two resolved parameters of one type both have, if there is any: of a chunked parameter,
 * an integer. Cost depends on the expressions, not on their values.
 */
export function commonValue(
  one: ResolvedTaskParameter,
  other: ResolvedTaskParameter,
): string | undefined {
  if ('values' in one && 'values' in other) {
    const known = new Set(other.values.map((value) => keyOf(other, value)));
    return one.values.find((value) => known.has(keyOf(one, value)));
  }
  if ('values' in one) {
    return 'range' in other ? firstInside(one.values, rangeOf(other.range)) : undefined;
  }
  if ('values' in other) return firstInside(other.values, rangeOf(one.range));
  return commonOfRanges(rangeOf(one.range), rangeOf(other.range))?.toString();
}

/** The same for values that are written differently: 1.0 and 1.00. */
function keyOf({ type }: ResolvedTaskParameter, value: string): string | number {
  return type === 'FLOAT' ? (parseFloatText(value) ?? value) : value;
}

function rangeOf(text: string): IntRange {
  const range = parseIntRange(text);
  if (!range.ok) throw new Error(`not a resolved range: ${range.error.message}`);
  return range.value;
}

function firstInside(values: readonly string[], range: IntRange): string | undefined {
  return values.find((text) => {
    const value = parseInteger(text);
    return value !== undefined && rangeContains(range, value);
  });
}

/** Spans of one range neither touch nor interleave: behind the one that ends first nothing is missed. */
function commonOfRanges(one: IntRange, other: IntRange): bigint | undefined {
  for (let i = 0, j = 0; ; ) {
    const [a, b] = [one.spans[i], other.spans[j]];
    if (a === undefined || b === undefined) return undefined;
    const common = commonOfSpans(a, b);
    if (common !== undefined) return common;
    if (a.end < b.end) i += 1;
    else j += 1;
  }
}

/** The lowest integer of both, by the Chinese remainder theorem. */
function commonOfSpans(a: IntSpan, b: IntSpan): bigint | undefined {
  const low = a.start > b.start ? a.start : b.start;
  const high = a.end < b.end ? a.end : b.end;
  if (low > high) return undefined;
  const { gcd, inverse } = inverseOf(a.step, b.step);
  const distance = b.start - a.start;
  if (distance % gcd !== 0n) return undefined;
  const period = (a.step / gcd) * b.step;
  const met = a.start + a.step * (((distance / gcd) * inverse) % (b.step / gcd));
  const common = low + ((((met - low) % period) + period) % period);
  return common <= high ? common : undefined;
}

/** Their greatest common divisor, and `inverse` with value × inverse = gcd, modulo `modulus`. */
function inverseOf(value: bigint, modulus: bigint): { gcd: bigint; inverse: bigint } {
  let [gcd, rest] = [value, modulus];
  let [inverse, next] = [1n, 0n];
  while (rest !== 0n) {
    const times = gcd / rest;
    [gcd, rest] = [rest, gcd - times * rest];
    [inverse, next] = [next, inverse - times * next];
  }
  return { gcd, inverse };
}
