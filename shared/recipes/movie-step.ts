import { encodeScript } from './encode-script.ts';
import type { OutputPattern } from './output-pattern.ts';
import { gentleEnd } from './template-parts.ts';

export interface MovieStep {
  readonly name: string;
  readonly dependsOn: readonly string[];
  /** References: the folder of the pictures, the file to write. */
  readonly folder: string;
  readonly movie: string;
  readonly pattern: OutputPattern;
  /** Numbers or references, as text. */
  readonly fps: string;
  readonly crf: string;
  readonly timeoutSeconds?: number | undefined;
}

/** Pictures that ffmpeg reads from a pipe. */
export const movieExtensions = ['.png', '.jpg', '.jpeg'];

/** A step of one task that makes an mp4 of numbered pictures. */
export function movieStep(step: MovieStep): Record<string, unknown> {
  const { prefix, suffix } = step.pattern;
  const args = [step.folder, prefix, suffix, step.fps, step.crf, step.movie];
  return {
    name: step.name,
    ...(step.dependsOn.length === 0
      ? {}
      : { dependencies: step.dependsOn.map((dependsOn) => ({ dependsOn })) }),
    script: {
      actions: {
        onRun: {
          command: 'sh',
          args: ['{{Task.File.Encode}}', ...args],
          ...(step.timeoutSeconds === undefined ? {} : { timeout: step.timeoutSeconds }),
          ...gentleEnd,
        },
      },
      embeddedFiles: [
        { name: 'Encode', type: 'TEXT', filename: 'encode-frames.sh', data: encodeScript },
      ],
    },
  };
}
