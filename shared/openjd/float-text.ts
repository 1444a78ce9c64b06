const floatPattern = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

/**
 * The value of a decimal number's text, or undefined when it is not one or is not finite. Space around
 * it is no part of it.
 */
export function parseFloatText(text: string): number | undefined {
  if (text.length > 1024 || !floatPattern.test(text.trim())) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}
