import type { Command } from 'commander';
import { z } from 'zod';
import { duration } from '../commands/command-line.ts';
import { addPathMapOption, pathMapSchema } from './path-map-option.ts';

const TIMEOUT_MS = 600_000;

export const scanOptionsSchema = z.object({
  blender: z.string().optional(),
  pathMap: pathMapSchema,
  scanTimeout: z.number().default(TIMEOUT_MS),
});
export type ScanOptions = z.infer<typeof scanOptionsSchema>;

/** The flags of commands that have Blender open scenes. */
export function addScanOptions(command: Command, cwd: string): Command {
  command.option(
    '--blender <program>',
    'the Blender that opens scenes here (default: KARST_BLENDER, blender)',
  );
  addPathMapOption(command, cwd);
  return command.option(
    '--scan-timeout <duration>',
    'give up when Blender takes longer (default: 10m)',
    duration,
  );
}
