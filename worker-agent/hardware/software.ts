import { type Inventory, softwareSchema } from '@karst/shared/protocol/inventory.ts';
import { toolOutput } from './tool-output.ts';

interface Known {
  name: string;
  command: string;
  args: string[];
  /** Its first group is the version. */
  pattern: RegExp;
}

/** A slow application must not hold up the start. */
const timeoutMs = 5000;

/** Applications that jobs ask for by name, each with a command that prints its version and ends. */
const known: readonly Known[] = [
  { name: 'blender', command: 'blender', args: ['--version'], pattern: /^Blender (\d[\w.]*)/m },
  {
    name: 'ffmpeg',
    command: 'ffmpeg',
    args: ['-version'],
    pattern: /^ffmpeg version n?(\d[\w.]*)/m,
  },
  { name: 'povray', command: 'povray', args: ['--version'], pattern: /POV-Ray (\d[\w.]*)/ },
  { name: 'python', command: 'python3', args: ['--version'], pattern: /^Python (\d[\w.]*)/m },
  {
    name: 'imagemagick',
    command: 'magick',
    args: ['-version'],
    pattern: /ImageMagick (\d[\w.-]*)/,
  },
  { name: 'oiiotool', command: 'oiiotool', args: ['--version'], pattern: /(\d+\.\d[\w.]*)/ },
  // The package's own record, as importing torch takes seconds.
  {
    name: 'torch',
    command: 'python3',
    args: ['-c', "from importlib.metadata import version; print(version('torch'))"],
    pattern: /^(\d[\w.]*)/m,
  },
];

/** What of the known applications is on `path`, and which version; one that fails counts as absent. */
export async function findSoftware(path: string): Promise<Inventory['software']> {
  const found = await Promise.all(
    known.map(async ({ name, command, args, pattern }) => {
      const text = await toolOutput(command, args, { timeoutMs, path, readsErrors: true });
      return [name, text === undefined ? undefined : pattern.exec(text)?.[1]] as const;
    }),
  );
  const present = found.filter(([, version]) => version !== undefined);
  return softwareSchema.parse(Object.fromEntries(present));
}
