/**
 * CRC-32C and CRC-64/NVME, and joining CRCs of adjacent pieces. Node has only CRC-32 built in.
 * Registers are reflected and kept as two 32-bit halves; a CRC-32C simply never uses the high one.
 * Eight tables take eight bytes per step: about ten times faster than a byte at a time.
 */

export type CrcVariant = { widthBits: 32 | 64; polynomial: bigint };

export const crc32Variant: CrcVariant = { widthBits: 32, polynomial: 0xedb88320n };
export const crc32cVariant: CrcVariant = { widthBits: 32, polynomial: 0x82f63b78n };
export const crc64nvmeVariant: CrcVariant = { widthBits: 64, polynomial: 0x9a6c9329ac4bc9b5n };

type Tables = { high: Uint32Array; low: Uint32Array };
const tablesByPolynomial = new Map<bigint, Tables>();

function tablesOf(polynomial: bigint): Tables {
  const known = tablesByPolynomial.get(polynomial);
  if (known) return known;
  const values: bigint[] = [];
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
    values.push(crc);
  }
  for (let index = 256; index < 8 * 256; index += 1) {
    const previous = values[index - 256] ?? 0n;
    values.push((previous >> 8n) ^ (values[Number(previous & 0xffn)] ?? 0n));
  }
  const tables = {
    high: Uint32Array.from(values, (value) => Number(value >> 32n)),
    low: Uint32Array.from(values, (value) => Number(value & 0xffffffffn)),
  };
  tablesByPolynomial.set(polynomial, tables);
  return tables;
}

/** A running CRC over the chunks given to `update`. */
export class Crc {
  readonly #variant: CrcVariant;
  readonly #tables: Tables;
  #high: number;
  #low = 0xffffffff;

  constructor(variant: CrcVariant) {
    this.#variant = variant;
    this.#tables = tablesOf(variant.polynomial);
    this.#high = variant.widthBits === 64 ? 0xffffffff : 0;
  }

  update(data: Uint8Array): void {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const { high: tableHigh, low: tableLow } = this.#tables;
    const whole = data.length - (data.length % 8);
    let high = this.#high;
    let low = this.#low;
    for (let at = 0; at < whole; at += 8) {
      const a = low ^ view.getUint32(at, true);
      const b = high ^ view.getUint32(at + 4, true);
      high = 0;
      low = 0;
      for (let byte = 0; byte < 4; byte += 1) {
        const first = (7 - byte) * 256 + ((a >>> (byte * 8)) & 0xff);
        const second = (3 - byte) * 256 + ((b >>> (byte * 8)) & 0xff);
        high ^= (tableHigh[first] ?? 0) ^ (tableHigh[second] ?? 0);
        low ^= (tableLow[first] ?? 0) ^ (tableLow[second] ?? 0);
      }
    }
    for (let at = whole; at < data.length; at += 1) {
      const index = (low ^ (data[at] ?? 0)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (tableLow[index] ?? 0);
      high = (high >>> 8) ^ (tableHigh[index] ?? 0);
    }
    this.#high = high;
    this.#low = low;
  }

  /** Big-endian bytes of the checksum so far. */
  digest(): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(~this.#high >>> 0, 0);
    bytes.writeUInt32BE(~this.#low >>> 0, 4);
    return this.#variant.widthBits === 64 ? bytes : bytes.subarray(4);
  }
}

/** Product of two polynomials modulo the variant's, both in reflected form (as in zlib). */
function multiply(left: bigint, right: bigint, { polynomial, widthBits }: CrcVariant): bigint {
  let product = 0n;
  let shifted = right;
  for (let bit = BigInt(widthBits - 1); bit >= 0n; bit -= 1n) {
    if ((left >> bit) & 1n) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ polynomial : shifted >> 1n;
  }
  return product;
}

/** CRC of two adjacent pieces from the CRC of each and the length of the second, without their bytes. */
export function joinCrcs(
  first: bigint,
  second: bigint,
  secondBytes: number,
  variant: CrcVariant,
): bigint {
  const top = BigInt(variant.widthBits - 1);
  let power = 1n << (top - 8n);
  let shift = 1n << top;
  for (let rest = secondBytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shift = multiply(shift, power, variant);
    power = multiply(power, power, variant);
  }
  return multiply(shift, first, variant) ^ second;
}
