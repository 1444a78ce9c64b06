export const storageKinds = ['inputs', 'outputs', 'other'] as const;
export type StorageKind = (typeof storageKinds)[number];

export interface Stored {
  bytes: number;
  objects: number;
}
/** What lies in storage, by what it is. */
export type StorageTotals = Record<StorageKind, Stored>;

export const noTotals = (): StorageTotals => ({
  inputs: { bytes: 0, objects: 0 },
  outputs: { bytes: 0, objects: 0 },
  other: { bytes: 0, objects: 0 },
});

/** What an object is, by its name below the studio's prefix. */
export function storageKind(name: string): StorageKind {
  if (name.startsWith('assets/')) return 'inputs';
  if (name.startsWith('outputs/')) return 'outputs';
  return /^jobs\/[^/]+\/attempts\//.test(name) ? 'outputs' : 'other';
}

/** Adds objects of a studio, whose keys all begin with its `prefix`. */
export function addObjects(
  totals: StorageTotals,
  prefix: string,
  objects: readonly { key: string; sizeBytes: number }[],
): void {
  for (const { key, sizeBytes } of objects) {
    const stored = totals[storageKind(key.slice(prefix.length))];
    stored.bytes += sizeBytes;
    stored.objects += 1;
  }
}

export const usedBytes = ({ inputs, outputs, other }: StorageTotals): number =>
  inputs.bytes + outputs.bytes + other.bytes;
