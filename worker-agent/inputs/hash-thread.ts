import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { HashAnswer, HashOrder } from './file-hasher.ts';

/** The thread behind FileHasher: hashes files from their begin up to where they are told to be whole. */

interface Reading {
  fd: number;
  hash: Hash;
  at: number;
}

const piece = Buffer.allocUnsafe(1024 * 1024);
const readings = new Map<number, Reading>();

function obey(order: HashOrder): HashAnswer | undefined {
  const { id } = order;
  if (order.kind === 'begin') {
    readings.set(id, { fd: openSync(order.path, 'r'), hash: createHash('sha256'), at: 0 });
    return undefined;
  }
  const reading = readings.get(id);
  if (reading === undefined) return undefined;
  if (order.kind === 'advance') {
    advance(reading, order.to);
    return undefined;
  }
  readings.delete(id);
  closeSync(reading.fd);
  if (order.kind === 'drop') return undefined;
  return { id, sha256: reading.hash.digest('hex'), sizeBytes: reading.at };
}

function advance(reading: Reading, to: number): void {
  while (reading.at < to) {
    const length = Math.min(piece.length, to - reading.at);
    const bytesRead = readSync(reading.fd, piece, 0, length, reading.at);
    if (bytesRead === 0) return;
    reading.hash.update(piece.subarray(0, bytesRead));
    reading.at += bytesRead;
  }
}

parentPort?.on('message', (order: HashOrder) => {
  let answer: HashAnswer | undefined;
  try {
    answer = obey(order);
  } catch (error) {
    readings.delete(order.id);
    answer = { id: order.id, error: error instanceof Error ? error : new Error(String(error)) };
  }
  if (answer !== undefined) parentPort?.postMessage(answer);
});
