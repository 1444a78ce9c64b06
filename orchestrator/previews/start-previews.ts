import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Clock } from '@karst/shared/clock.ts';
import type { Logger } from 'pino';
import { HistoryReader } from '../history/history-reader.ts';
import { createObjectStore } from '../objects/store.ts';
import type { PreviewsConfig } from '../previews-config.ts';
import { startPreviewWorker } from '../queue/preview-queue.ts';
import { connect, connectRedis, connectSubscriber } from '../store/connection.ts';
import { EventPublisher } from '../store/event-publisher.ts';
import { JobStore } from '../store/job-store.ts';
import { OutputReader } from '../store/output-reader.ts';
import { SuspiciousStore } from '../store/suspicious-store.ts';
import { DecodeGate } from './decode-gate.ts';
import { PicturePreviewer } from './picture-previewer.ts';
import { previewService } from './preview-service.ts';
import { runDecoder } from './run-decoder.ts';
import { StepPreviewer } from './step-previewer.ts';

export interface RunningPreviews {
  /** Lets what is under way finish. */
  stop(): Promise<void>;
}

/** Starts making previews. Throws where ffmpeg is missing, or Redis or storage can't be used. */
export async function startPreviews(
  config: PreviewsConfig,
  { clock, logger }: { clock: Clock; logger: Logger },
): Promise<RunningPreviews> {
  const searchPath = config.PATH;
  for (const program of ['ffmpeg', 'ffprobe'] as const) {
    if (!(await isHere(program, searchPath))) {
      throw new Error(`${program} is not on the PATH: previews are made with it (install ffmpeg)`);
    }
  }
  const hasOiiotool = await isHere('oiiotool', searchPath);
  const redis = connectRedis(config.REDIS_URL, logger, 'previews');
  const queueRedis = connectSubscriber(config.REDIS_URL, logger);
  const objects = createObjectStore(
    {
      endpoint: config.KARST_S3_ENDPOINT,
      region: config.KARST_S3_REGION,
      bucket: config.KARST_S3_BUCKET,
      accessKeyId: config.KARST_S3_ACCESS_KEY,
      secretAccessKey: config.KARST_S3_SECRET_KEY,
    },
    clock,
  );
  await Promise.all([redis, queueRedis].map(connect));
  await objects.ensureBucket();
  const scratchDir = await mkdtemp(path.join(tmpdir(), 'karst-previews-'));
  const decode = {
    searchPath,
    timeoutMs: config.KARST_PREVIEW_TIMEOUT_MS,
    pixelsMax: config.KARST_PREVIEW_PIXELS_MAX,
    bytesMax: config.KARST_PREVIEW_BYTES_MAX,
    hasOiiotool,
  };
  const events = new EventPublisher(redis, logger);
  const jobs = new JobStore(redis);
  const outputs = new OutputReader(redis, new HistoryReader(redis, objects.getText));
  const suspicious = new SuspiciousStore(redis);
  const gate = new DecodeGate(config.KARST_PREVIEW_CONCURRENCY);
  const parts = { gate, objects, suspicious, events, decode, scratchDir, redis, jobs, outputs };
  const pictures = new PicturePreviewer(parts);
  const steps = new StepPreviewer(parts, pictures);
  const worker = startPreviewWorker(
    queueRedis,
    previewService({ jobs, outputs, pictures, steps }),
    { concurrency: config.KARST_PREVIEW_CONCURRENCY, logger },
  );
  return {
    async stop() {
      await worker.close();
      await events.close();
      objects.close();
      redis.disconnect();
      queueRedis.disconnect();
      await rm(scratchDir, { recursive: true, force: true });
    },
  };
}

async function isHere(
  program: 'ffmpeg' | 'ffprobe' | 'oiiotool',
  searchPath: string,
): Promise<boolean> {
  const args = program === 'oiiotool' ? ['--version'] : ['-version'];
  return await runDecoder({ program, args, searchPath, timeoutMs: 30_000 }).then(
    () => true,
    () => false,
  );
}
