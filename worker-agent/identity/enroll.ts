import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '@karst/shared/clock.ts';
import { type NodeId, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { AgentConfig } from '../config.ts';
import { Backoff } from '../http/backoff.ts';
import type { OrchestratorClient } from '../http/orchestrator-client.ts';
import { errorCode } from '../session/failure.ts';
import { writeFileAtomic } from './atomic-file.ts';
import type { NodeKey } from './node-key.ts';

const nodeFileSchema = z.object({ nodeId: nodeIdSchema });

/** The orchestrator refused to enrol this node: another token is needed. */
export class EnrollmentRefused extends Error {
  override name = 'EnrollmentRefused';
}

/**
 * This node's id: from `<dir>/node.json`, or by enrolling with the one-time token. Goes on trying
 * while the orchestrator can't be reached; repeated with the same key and token, an enrolment whose
 * answer was lost is answered again. Throws EnrollmentRefused when the answer is no.
 */
export async function enrolledNodeId(
  config: AgentConfig,
  dir: string,
  key: NodeKey,
  client: OrchestratorClient,
  { random, logger, signal }: { random: Random; logger: Logger; signal: AbortSignal },
): Promise<NodeId> {
  const path = join(dir, 'node.json');
  const known = await readNodeFile(path);
  if (known !== undefined) return known;
  const token = await enrollmentToken(config);
  const backoff = new Backoff(random);
  const body = { name: config.nodeName, publicKey: key.publicKey };
  for (;;) {
    const answer = await client.enroll(token, body, signal);
    signal.throwIfAborted();
    if (answer.ok) {
      const { nodeId } = answer.value;
      await writeFileAtomic(path, JSON.stringify({ nodeId, url: config.url.href }), 0o600);
      logger.info({ nodeId, name: config.nodeName }, 'enrolled');
      return nodeId;
    }
    const { error } = answer;
    if (error.kind === 'problem' && !error.retryable) {
      throw new EnrollmentRefused(
        `${config.url.href} refused to enrol this node: ${error.message}`,
      );
    }
    logger.warn({ error }, 'enrolment got no answer, trying again');
    await sleep(backoff.nextMs(5000), signal);
  }
}

async function enrollmentToken(config: AgentConfig): Promise<string> {
  const { enrollmentToken: token, enrollmentTokenFile: file } = config;
  if (token !== undefined) return token;
  if (file !== undefined) {
    const text = (await readFile(file, 'utf8')).trim();
    if (text !== '') return text;
    throw new Error(`${file} (KARST_ENROLLMENT_TOKEN_FILE) is empty`);
  }
  throw new Error(
    'this node is not enrolled yet: set KARST_ENROLLMENT_TOKEN or KARST_ENROLLMENT_TOKEN_FILE (karst node enroll makes a token)',
  );
}

async function readNodeFile(path: string): Promise<NodeId | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const parsed = nodeFileSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`${path} does not hold a node's id`);
  return parsed.data.nodeId;
}
