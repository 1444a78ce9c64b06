import { flushCompileCache } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { systemClock } from '@karst/shared/clock.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { keepYoungGenerationSmall } from '@karst/shared/small-young-generation.ts';
import { createLocalS3 } from './server.ts';

/** Entry of the local S3 endpoint as a process of its own; all its settings are KARST_S3_*. */

function required(name: string): string {
  const value = process.env[name];
  if (!value) {
    process.stderr.write(`${name} must be set\n`);
    process.exit(2);
  }
  return value;
}

function portOf(raw: string): number {
  const port = Number(raw);
  if (!/^\d{1,5}$/.test(raw) || port > 65_535) {
    process.stderr.write(`KARST_S3_PORT must be a port number, 0 for any; got ${raw}\n`);
    process.exit(2);
  }
  return port;
}

keepYoungGenerationSmall();
// Nor does what little lives on need room to double between full collections: 30 MB less at the peak.
setFlagsFromString('--heap-growing-percent=20');

const endpoint = createLocalS3({
  dir: required('KARST_S3_DIR'),
  credentials: {
    accessKeyId: required('KARST_S3_ACCESS_KEY'),
    secretAccessKey: required('KARST_S3_SECRET_KEY'),
  },
  clock: systemClock,
  random: systemRandom,
  buckets: (process.env.KARST_S3_BUCKETS ?? '').split(',').filter((name) => name !== ''),
});

let stopping = false;
async function stop(): Promise<void> {
  // A second signal means now: cutting uploads loses nothing that was acknowledged.
  if (stopping) process.exit(0);
  stopping = true;
  await endpoint.close();
  process.exit(0);
}
process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
if (process.env.KARST_EXIT_WITH_PARENT === '1') {
  process.stdin.on('end', () => void stop()).resume();
}

try {
  const port = await endpoint.listen(portOf(process.env.KARST_S3_PORT ?? '0'));
  process.stdout.write(`${JSON.stringify({ event: 'listening', port })}\n`);
  flushCompileCache();
} catch (error) {
  process.stderr.write(`the local S3 endpoint could not start: ${String(error)}\n`);
  if (error instanceof Error && error.cause) process.stderr.write(`${String(error.cause)}\n`);
  process.exit(1);
}
