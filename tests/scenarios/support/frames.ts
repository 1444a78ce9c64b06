import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../../../scripts/run-command.ts';

/** Writes f_0001.exr and on, moving test pictures of 160 x 90 as floats without compression. */
export async function makeFrames(dir: string, count: number): Promise<void> {
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=4'];
  await ffmpeg([...source, '-frames:v', `${count}`, '-compression', 'none', `${dir}/f_%04d.exr`]);
}

/** One EXR of one color. */
export async function makePlain(file: string, color: string): Promise<void> {
  const source = ['-f', 'lavfi', '-i', `color=${color}:size=160x90,format=rgb24`];
  await ffmpeg([...source, '-frames:v', '1', '-update', '1', file]);
}

/** The same picture with values that are no numbers in its last line. */
export async function plantNan(from: string, to: string): Promise<void> {
  const bytes = await readFile(from);
  for (let i = 1; i <= 20; i++) bytes.writeUInt32LE(0x7fc00000, bytes.length - 4 * i);
  await writeFile(to, bytes);
}

export async function cutOff(from: string, to: string): Promise<void> {
  const bytes = await readFile(from);
  await writeFile(to, bytes.subarray(0, Math.floor(bytes.length * 0.6)));
}

/** What ffprobe says of a film or picture, `nb_read_frames` counted. */
export async function probed(file: string): Promise<Record<string, string>> {
  const shown = 'stream=codec_name,pix_fmt,width,height,r_frame_rate,nb_read_frames';
  const args = ['-v', 'error', '-count_frames', '-show_entries', shown, '-of', 'default=nw=1'];
  const answer = await runCommand('ffprobe', [...args, path.resolve(file)]);
  if (answer.code !== 0) throw new Error(answer.stderr);
  const lines = answer.stdout.toString().trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split('=')));
}

async function ffmpeg(args: string[]): Promise<void> {
  const made = await runCommand('ffmpeg', ['-nostdin', '-y', '-v', 'error', ...args]);
  if (made.code !== 0) throw new Error(made.stderr);
}
