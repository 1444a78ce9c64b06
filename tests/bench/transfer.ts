import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Farm } from '../support/farm.ts';
import { rounded } from './process-cpu.ts';
import { makeLargeFile, makeSmallFiles } from './transfer-files.ts';
import { peakRssBytes, runWatched, type WatchedRun } from './watched-process.ts';

const cliEntry = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const sdkEntry = fileURLToPath(new URL('./sdk-transfer-main.ts', import.meta.url));

const template = `
specificationVersion: jobtemplate-2023-09
name: transfer
parameterDefinitions:
  - { name: Files, type: PATH, objectType: DIRECTORY, dataFlow: IN, default: files }
steps:
  - name: Look
    script: { actions: { onRun: { command: "true" } } }
`;

/** Bytes that have left any process here for another over the loopback interface. */
function loopbackBytes(text: string): number {
  const fields = /^\s*lo:\s*(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/) ?? [];
  return Number(fields[8] ?? 0);
}
const sentBytes = async () => loopbackBytes(await readFile('/proc/net/dev', 'utf8'));

interface Measured {
  submit: WatchedRun;
  again: WatchedRun;
  sdkUpload: WatchedRun;
  sdkDownload: WatchedRun;
  coldSeconds: number;
  warmSeconds: number;
  /** Bytes that crossed the loopback interface during the first submission and the second. */
  firstBytes: number;
  secondBytes: number;
}

class TransferBench {
  private readonly farm: Farm;
  private readonly home: string;
  private readonly adminKey: string;

  constructor(farm: Farm, home: string, adminKey: string) {
    this.farm = farm;
    this.home = home;
    this.adminKey = adminKey;
  }

  /** The SDK and Karst take turns over the same files, which lie in `bundle/files`. */
  async measure(name: string, make: (dir: string) => Promise<void>): Promise<Measured> {
    const bundle = join(this.home, name);
    const files = join(bundle, 'files');
    await mkdir(files, { recursive: true });
    await make(files);
    await writeFile(join(bundle, 'template.yaml'), template);

    const sdkUpload = await this.sdk('upload', files);
    const beforeFirst = await sentBytes();
    const { run: submit, jobId } = await this.submit(bundle);
    const beforeSecond = await sentBytes();
    const { run: again, jobId: secondId } = await this.submit(bundle);
    const secondBytes = (await sentBytes()) - beforeSecond;

    const target = join(this.home, `${name}-sdk`);
    await mkdir(target);
    const sdkDownload = await this.sdk('download', files, target);
    await rm(target, { recursive: true });

    // As a user of its own, as nodes run it, an agent links large inputs; for root it is to be told.
    const agent = await this.farm.startAgent({ env: { KARST_LINK_INPUTS: '1' } });
    const coldSeconds = await this.inputsSeconds(jobId);
    const warmSeconds = await this.inputsSeconds(secondId);
    this.agentPeakRss = Math.max(this.agentPeakRss, peakRssBytes(agent.child.pid));
    await agent.child.kill();
    await rm(agent.dir, { recursive: true });
    await rm(bundle, { recursive: true });
    return {
      ...{ submit, again, sdkUpload, sdkDownload },
      ...{ coldSeconds, warmSeconds, secondBytes, firstBytes: beforeSecond - beforeFirst },
    };
  }

  agentPeakRss = 0;

  private sdk(action: 'upload' | 'download', ...dirs: string[]): Promise<WatchedRun> {
    const { endpoint, bucket, accessKeyId, secretAccessKey } = this.farm.storage;
    return runWatched(`sdk ${action}`, [sdkEntry, action, ...dirs], {
      BENCH_ENDPOINT: endpoint,
      BENCH_BUCKET: bucket,
      BENCH_ACCESS_KEY: accessKeyId,
      BENCH_SECRET_KEY: secretAccessKey,
    });
  }

  private async submit(bundle: string) {
    const run = await runWatched('karst submit', [cliEntry, 'submit', bundle, '--paused'], {
      HOME: this.home,
      // As cli/bin/karst has it.
      NODE_COMPILE_CACHE: join(this.home, '.cache', 'karst', 'compiled'),
      KARST_URL: this.farm.urls[0],
      KARST_API_KEY: this.adminKey,
    });
    return { run, jobId: jobIdSchema.parse(run.stdout.at(-1)) };
  }

  /** From a paused job's going on to its only task's end: all it does is bring its inputs. */
  private async inputsSeconds(jobId: ReturnType<typeof jobIdSchema.parse>): Promise<number> {
    const startMs = performance.now();
    await this.farm.api().call(routes.resumeJob, { params: { jobId } });
    const { state } = await this.farm.jobIn(jobId, ['succeeded', 'failed'], 600_000);
    if (state === 'failed') throw new Error(`the job failed:\n${this.farm.logs()}`);
    return (performance.now() - startMs) / 1000;
  }
}

function figures(bytes: number, measured: Measured) {
  const megabytes = bytes / 1e6;
  const rate = (seconds: number) => rounded(megabytes / seconds);
  const { submit, again, sdkUpload, sdkDownload, coldSeconds, warmSeconds } = measured;
  return {
    bytes,
    megabytesPerSecond: rate(submit.seconds),
    sdkMegabytesPerSecond: rate(sdkUpload.seconds),
    uploadToSdkRatio: rounded(sdkUpload.seconds / submit.seconds, 2),
    secondSubmitSeconds: rounded(again.seconds, 2),
    secondSubmitBytesRatio: rounded(measured.secondBytes / measured.firstBytes, 5),
    downloadMegabytesPerSecond: rate(coldSeconds),
    sdkDownloadMegabytesPerSecond: rate(sdkDownload.seconds),
    downloadToSdkRatio: rounded(sdkDownload.seconds / coldSeconds, 2),
    warmSeconds: rounded(warmSeconds, 2),
    submitPeakRssBytes: submit.peakRssBytes,
    secondSubmitPeakRssBytes: again.peakRssBytes,
  };
}

/**
 * Many small files and one large one: submitted twice, brought to a node cold and warm, and sent and
 * fetched by the AWS SDK alone, in one run and through the same S3 endpoint. Each is a process of its
 * own and timed from its start to its end. Bytes of a submission are all that crosses the loopback
 * interface meanwhile, whoever sends it: run it on a quiet machine.
 */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      files: { type: 'string', default: '10000' },
      fileBytes: { type: 'string', default: '16384' },
      largeBytes: { type: 'string', default: String(5e9) },
    },
  });
  const files = Number(values.files);
  const fileBytes = Number(values.fileBytes);
  const largeBytes = Number(values.largeBytes);
  const home = await mkdtemp(join(tmpdir(), 'karst-bench-'));
  const farm = await Farm.start({ livenessMs: 30_000, env: { KARST_LOG_LEVEL: 'warn' } });
  try {
    const adminKey = (await readFile(join(farm.dir, 'admin.key'), 'utf8')).trim();
    const bench = new TransferBench(farm, home, adminKey);
    const small = await bench.measure('small', (dir) => makeSmallFiles(dir, files, fileBytes));
    const large = await bench.measure('large', (dir) =>
      makeLargeFile(join(dir, 'simulation.vdb'), largeBytes),
    );
    const cli = [small.submit, small.again, large.submit, large.again];
    const sdk = [small.sdkUpload, small.sdkDownload, large.sdkUpload, large.sdkDownload];
    const most = (runs: WatchedRun[]) => Math.max(...runs.map((each) => each.peakRssBytes));
    const firstBytes = small.firstBytes + large.firstBytes;
    const secondBytes = small.secondBytes + large.secondBytes;
    return {
      small: { files, ...figures(files * fileBytes, small) },
      large: figures(largeBytes, large),
      secondSubmitBytesRatio: rounded(secondBytes / firstBytes, 5),
      warmSeconds: rounded(small.warmSeconds + large.warmSeconds, 2),
      peakRssBytes: {
        cli: most(cli),
        agent: bench.agentPeakRss,
        orchestrator: peakRssBytes(farm.replicas[0]?.pid ?? 0),
        redis: peakRssBytes(farm.redis.pid),
        localS3: peakRssBytes(farm.storage.pid ?? 0),
        sdk: most(sdk),
      },
      load: loadavg().map((one) => rounded(one)),
    };
  } finally {
    await farm.stop();
    await rm(home, { recursive: true, force: true });
  }
}
