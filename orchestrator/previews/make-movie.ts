import path from 'node:path';
import { ffmpegArgs, runDecoder } from './run-decoder.ts';

/**
 * Joins `frames` (JPEG, named 00000000.jpg and on in `dir`) into an H.264 film that browsers play from
 * its first bytes on. Frames of another size are fitted in. Even sizes: yuv420p keeps one color sample
 * for two by two pixels.
 */
export async function makeMovie(
  dir: string,
  size: { width: number; height: number },
  out: string,
  settings: { framesPerSecond: number; searchPath: string; timeoutMs: number },
): Promise<{ width: number; height: number }> {
  const width = size.width + (size.width % 2);
  const height = size.height + (size.height % 2);
  const fit = `scale=${width}:${height}:force_original_aspect_ratio=decrease`;
  const pad = `pad=${width}:${height}:(ow-iw)/2:(oh-ih)/2,setsar=1`;
  await runDecoder({
    program: 'ffmpeg',
    args: ffmpegArgs(
      ...['-framerate', String(settings.framesPerSecond), '-f', 'image2'],
      ...['-i', `file:${path.join(dir, '%08d.jpg')}`],
      ...['-vf', `${fit},${pad}`, '-c:v', 'libx264', '-preset', 'medium', '-crf', '18'],
      ...['-pix_fmt', 'yuv420p', '-movflags', '+faststart', '-an', `file:${out}`],
    ),
    searchPath: settings.searchPath,
    timeoutMs: settings.timeoutMs,
  });
  return { width, height };
}
