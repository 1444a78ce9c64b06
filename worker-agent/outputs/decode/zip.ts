import { begins, type Fault, type FileBytes, truncated } from './file-bytes.ts';

const endBytes = 22;
const commentBytesMax = 65_535;
const unknown = 0xffffffff;

/** zip, npz, and what PyTorch saves: the list of files at the end, and where it says it is. */
export async function checkZip(bytes: FileBytes): Promise<Fault> {
  const head = await bytes.at(0, 8);
  if (head.toString('latin1', 0, 2) !== 'PK') return `is no zip file: ${begins(head)}`;
  const from = Math.max(0, bytes.size - endBytes - commentBytesMax);
  const tail = await bytes.at(from, bytes.size - from);
  const at = tail.lastIndexOf('PK\x05\x06');
  if (at === -1 || at + endBytes > tail.length) return truncated('before its list of files');
  const listed = { bytes: tail.readUInt32LE(at + 12), from: tail.readUInt32LE(at + 16) };
  if (listed.bytes === unknown || listed.from === unknown)
    return await checkZip64(bytes, from + at);
  return await checkList(bytes, listed, from + at);
}

/** Above 4 GiB the numbers stand in a record of their own, which a locator leads to. */
async function checkZip64(bytes: FileBytes, end: number): Promise<Fault> {
  const locator = await bytes.at(end - 20, 20);
  const garbled = 'is garbled: the list of its files is not where it says';
  if (end < 20 || locator.toString('latin1', 0, 4) !== 'PK\x06\x07') return garbled;
  const record = await bytes.at(Number(locator.readBigUInt64LE(8)), 56);
  if (record.length < 56 || record.toString('latin1', 0, 4) !== 'PK\x06\x06') return garbled;
  const listed = {
    bytes: Number(record.readBigUInt64LE(40)),
    from: Number(record.readBigUInt64LE(48)),
  };
  return await checkList(bytes, listed, end);
}

async function checkList(
  bytes: FileBytes,
  listed: { bytes: number; from: number },
  end: number,
): Promise<Fault> {
  if (listed.bytes === 0) return undefined;
  const first = (await bytes.at(listed.from, 4)).toString('latin1');
  if (first === 'PK\x01\x02' && listed.from + listed.bytes <= end) return undefined;
  return 'is garbled: the list of its files is not where it says';
}
