import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { publicKeySchema } from '@karst/shared/protocol/node.ts';
import { z } from 'zod';
import { writeFileAtomic } from './atomic-file.ts';

const privateKeySchema = publicKeySchema.extend({ d: z.string().min(1) });

export interface NodeKey {
  /** Never leaves this machine. */
  privateKey: KeyObject;
  /** What the orchestrator stores at enrolment. */
  publicKey: z.infer<typeof publicKeySchema>;
}

/**
 * The node's Ed25519 key from `<dir>/node-key.json` (mode 0600), made on the first start. It is on
 * disk before anybody is told of it, so that an enrolment whose answer was lost can be repeated.
 * Throws when the file exists and is not such a key.
 */
export async function loadOrCreateNodeKey(dir: string): Promise<NodeKey> {
  const path = join(dir, 'node-key.json');
  const text = await readIfThere(path);
  if (text !== undefined) return parseKey(text, path);
  const { privateKey } = generateKeyPairSync('ed25519');
  const created = JSON.stringify(privateKey.export({ format: 'jwk' }));
  await writeFileAtomic(path, created, 0o600);
  return parseKey(created, path);
}

function parseKey(text: string, path: string): NodeKey {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error(`${path} is not JSON; it should hold this node's key`);
  }
  const jwk = privateKeySchema.safeParse(json);
  if (!jwk.success) throw new Error(`${path} is not an Ed25519 private key: ${jwk.error.message}`);
  const { d: _d, ...publicKey } = jwk.data;
  return { privateKey: createPrivateKey({ key: jwk.data, format: 'jwk' }), publicKey };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
