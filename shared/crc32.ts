import { crc32 } from 'node:zlib';

/** CRC-32 (of zlib, PNG and S3) over chunks, with the face of a `Hash`. */
export class Crc32 {
  #value = 0;

  update(data: Uint8Array): void {
    this.#value = crc32(data, this.#value);
  }

  /** Four bytes, big-endian: as S3 has it. */
  digest(): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(this.#value);
    return bytes;
  }
}
