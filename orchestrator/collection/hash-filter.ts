/** 8 MiB: of a million hashes a hundred-thousandth part of the others are taken for members. */
const BITS = 2 ** 26;
const PROBES = 4;
/** Hexadecimal digits behind each probe: 28 bits. */
const PROBE_DIGITS = 7;

/** A set of SHA-256 hashes in bounded memory: it may hold more than was added, never less. */
export class HashFilter {
  private readonly bytes = new Uint8Array(BITS / 8);

  add(sha256: string): void {
    for (const bit of probes(sha256))
      this.bytes[bit >> 3] = (this.bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
  }

  mayHave(sha256: string): boolean {
    return probes(sha256).every((bit) => ((this.bytes[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0);
  }
}

const probes = (sha256: string): number[] =>
  Array.from({ length: PROBES }, (_, i) => {
    const digits = sha256.slice(i * PROBE_DIGITS, (i + 1) * PROBE_DIGITS);
    return Number.parseInt(digits, 16) % BITS;
  });
