import { open } from 'node:fs/promises';
import { Redactor } from '../session/redactor.ts';
import type { Secrets } from '../session/secrets.ts';
import type { TaskLog } from './task-log.ts';

/** The first `sizeBytes` bytes of a log. */
export interface LogPart {
  log: TaskLog;
  sizeBytes: number;
}

const pieceBytes = 256 * 1024;

/**
 * Writes logs one after the other into a new file, with every secret masked: what may be stored. What
 * processes that go on print meanwhile is left out.
 */
export async function writeStoredLog(
  path: string,
  parts: readonly LogPart[],
  secrets: Secrets,
): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    for (const { log, sizeBytes } of parts) {
      const redactor = new Redactor(secrets);
      for (let at = 0; at < sizeBytes; ) {
        const piece = await log.read(at, Math.min(pieceBytes, sizeBytes - at));
        if (piece.length === 0) break;
        at += piece.length;
        await file.writeFile(redactor.push(piece));
      }
      await file.writeFile(redactor.end());
    }
  } finally {
    await file.close();
  }
}
