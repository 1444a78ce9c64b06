export const int64Min = -(2n ** 63n);
export const int64Max = 2n ** 63n - 1n;

const integerPattern = /^[+-]?[0-9]+$/;

export function isInt64(value: bigint): boolean {
  return value >= int64Min && value <= int64Max;
}

/**
 * A base-10 integer of any size up to 100 digits, or undefined when the text is not one. Space around
 * it is no part of it.
 */
export function parseInteger(text: string): bigint | undefined {
  const digits = text.trim();
  // Longer text cannot be an int64 and would only make BigInt work for nothing.
  if (digits.length > 100 || !integerPattern.test(digits)) return undefined;
  return BigInt(digits.startsWith('+') ? digits.slice(1) : digits);
}
