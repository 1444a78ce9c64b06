import { stat } from 'node:fs/promises';
import path from 'node:path';
import { type CliContext, print, say } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { usageError } from '../failure.ts';
import { withInterrupt } from '../interrupt.ts';
import { mapHint } from '../scan/missing-lines.ts';
import { addScanOptions, scanOptionsSchema } from '../scan/scan-options.ts';
import { scanScenes } from '../scan/scan-scenes.ts';
import { isMissing, type ScannedScene } from '../scan/scene-report.ts';
import { type Column, renderTable } from '../terminal/table.ts';
import { count } from '../terminal/text.ts';
import { type CommandLine, example } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printList } from './output-format.ts';

const optionsSchema = scanOptionsSchema.extend({ output: outputFormatSchema });

/** `scan`: what files do these scenes need, and which are missing? Needs Blender and no farm. */
export function addScanCommand({ program, context, finish }: CommandLine): void {
  const command = program
    .command('scan')
    .description(
      'List the files that Blender scenes need. Exits with 1 if any is missing. Their scripts do not run.',
    )
    .argument('<scene...>', '.blend files');
  addScanOptions(command, context.cwd);
  addOutputOption(command, ['table', 'json', 'yaml', 'name']);
  example(
    command,
    'karst scan shots/*.blend',
    "karst scan shot.blend --path-map 'Z:\\show=/mnt/show' -o json",
  );
  command.action(async (targets: string[]) => {
    const { output, ...options } = optionsSchema.parse(command.opts());
    const scenes = [...new Set(targets.map((target) => path.resolve(context.cwd, target)))];
    for (const scene of scenes) await checkFile(scene);
    const scanned = await withInterrupt((signal) =>
      scanScenes(context, { ...options, scenes }, signal),
    );
    if (scanned.some(({ files }) => files.some(isMissing))) finish(exitCodes.error);
    if (output === 'table') {
      printTables(context, scanned);
    } else if (output === 'name') {
      // As names, only what needs work: for a loop over them.
      const missing = scanned.flatMap(({ files }) => files.flatMap((file) => file.missing));
      for (const file of new Set(missing)) print(context, file);
    } else {
      printList(context, output, scanned, { columns: [], name: ({ scene }) => scene });
    }
  });
}

async function checkFile(file: string): Promise<void> {
  const isFile = await stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) throw usageError(`${file} is no file.`);
}

const columns: Column<ScannedScene['files'][number]>[] = [
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'STATE', value: (file) => (isMissing(file) ? 'missing' : 'present') },
  { title: 'FILES', value: ({ files }) => files.length },
  { title: 'MISSING', value: ({ missing }) => missing.length },
  { title: 'PATH', value: (file) => file.path },
  { title: 'USED BY', value: ({ usedBy }) => usedBy.slice(0, 3).join(', ') },
];

function printTables(context: CliContext, scanned: readonly ScannedScene[]): void {
  for (const { scene, files } of scanned) {
    if (scanned.length > 1) print(context, `${scene}:`);
    if (files.length > 0) print(context, renderTable(files, columns));
    const lost = files.filter(isMissing);
    const what = `${scene} names ${count(files.length, 'thing')} outside it`;
    say(
      context,
      lost.length === 0 ? `${what}; all are there.` : `${what}; ${lost.length} missing.`,
    );
  }
  for (const hint of mapHint(scanned)) say(context, hint);
}
