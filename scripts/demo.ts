import { copyFile, cp, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type DemoFarm, demoFarm } from './demo-farm.ts';
import { inspectFrames } from './media.ts';
import { ensureSystemPackages, setUpOrExit } from './system-packages.ts';

/**
 * `npm run demo [-- --json] [--keep] [--agents N]`: a farm on this machine renders an animation, from
 * submission to film. Leaves nothing behind but the pictures in out/orbit. With --json the last line
 * on stdout is `{frames, seconds, outputDir, film, contactSheet, bucketKeys}`.
 */

const rootDir = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const FRAME_COUNT = 24;

interface DemoResult {
  frames: number;
  seconds: number;
  outputDir: string;
  film: string;
  contactSheet: string;
  bucketKeys: string[];
}

const say = (line: string) => process.stderr.write(`${line}\n`);

async function renderOrbit(farm: DemoFarm, outputDir: string): Promise<DemoResult> {
  const beganMs = performance.now();
  await rm(outputDir, { recursive: true, force: true });
  await mkdir(outputDir, { recursive: true });
  const orbit = path.join(rootDir, 'examples', 'orbit');
  const jobId = (await farm.karst(['submit', orbit])).trim();
  await farm.karst(['wait', jobId]).catch(async (error: unknown) => {
    if (!farm.interrupted) await tellTaskLog(farm, jobId);
    throw error;
  });

  const downloadDir = path.join(farm.dir, 'download');
  await farm.karst(['download', jobId, '-d', downloadDir], { quiet: true });
  await cp(path.join(downloadDir, 'frames'), outputDir, { recursive: true });
  const frames = Array.from({ length: FRAME_COUNT }, (_, i) =>
    path.join(outputDir, `orbit_${String(i + 1).padStart(4, '0')}.png`),
  );
  await checkFrames(frames);

  const { film, contactSheet } = await fetchPreviews(farm, jobId, outputDir);
  const bucketKeys = await farm.viewKeys(jobId);
  checkKeys(bucketKeys, frames);
  const seconds = Math.round((performance.now() - beganMs) / 100) / 10;
  return { frames: frames.length, seconds, outputDir, film, contactSheet, bucketKeys };
}

/** What the task that failed wrote says more than any log of the farm's. */
async function tellTaskLog(farm: DemoFarm, jobId: string): Promise<void> {
  const log = await farm.karst(['logs', jobId], { quiet: true });
  say('\nThe end of its log:');
  for (const line of log.trimEnd().split('\n').slice(-20)) say(`  ${line}`);
}

/** Contact sheet and film are the farm's own, and it has found nothing suspicious. */
async function fetchPreviews(
  farm: DemoFarm,
  jobId: string,
  outputDir: string,
): Promise<{ film: string; contactSheet: string }> {
  const dir = path.join(farm.dir, 'previews');
  await farm.karst(['previews', jobId, '-d', dir], { quiet: true });
  const contactSheet = path.join(outputDir, 'contact-sheet.jpg');
  const film = path.join(outputDir, 'orbit.mp4');
  await copyFile(path.join(dir, 'contact-sheet.jpg'), contactSheet);
  await copyFile(path.join(dir, 'frames_orbit_film.mp4'), film);
  const told = await farm.karst(['get', 'job', jobId], { quiet: true });
  const suspicious = told.split('\n').find((line) => line.startsWith('Suspicious:'));
  if (suspicious !== undefined) throw new Error(`The farm found frames to look at. ${told}`);
  return { film, contactSheet };
}

async function checkFrames(files: readonly string[]): Promise<void> {
  const facts = await inspectFrames(files);
  const distinct = new Set(facts.map(({ md5 }) => md5)).size;
  if (distinct !== files.length) {
    throw new Error(`Of ${files.length} frames only ${distinct} are distinct.`);
  }
}

/** What any S3 tool would list must be the frames that were downloaded, and nothing else. */
function checkKeys(keys: readonly string[], frames: readonly string[]): void {
  const listed = keys.map((key) => path.posix.basename(key)).sort();
  const expected = frames.map((frame) => path.basename(frame)).sort();
  if (listed.join('\n') === expected.join('\n')) return;
  throw new Error(`The bucket lists ${listed.length} files (${listed.join(', ')}).`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      agents: { type: 'string', default: '1' },
    },
  });
  await setUpOrExit(() => ensureSystemPackages(['redis', 'blender', 'ffmpeg']));
  const farm = await demoFarm({ rootDir, agents: values.agents, keep: values.keep, say });
  try {
    const result = await renderOrbit(farm, path.join(rootDir, 'out', 'orbit'));
    say('');
    say(`${result.frames} frames in ${result.seconds} s:`);
    say(`  Film:           ${path.relative(process.cwd(), result.film)}`);
    say(`  Contact sheet:  ${path.relative(process.cwd(), result.contactSheet)}`);
    say(`  Frames:         ${path.relative(process.cwd(), result.outputDir)}`);
    if (values.keep) farm.tellHowToGoOn();
    else await farm.stop();
    if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return 0;
  } catch (error) {
    if (farm.interrupted) say('Interrupted.');
    else {
      say(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
      await farm.showLogs();
    }
    await farm.stop();
    return farm.interrupted ? 130 : 1;
  }
}

// Whoever stops reading (`| head`) must not keep the demo from cleaning up.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
process.exit(await main());
