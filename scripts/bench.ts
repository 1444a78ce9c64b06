import { setUpOrExit } from './system-packages.ts';

/** `npm run bench:NAME`: prints one JSON object as its last line. */
const [name = '', ...args] = process.argv.slice(2);
const needs: Record<string, ('redis' | 'blender' | 'ffmpeg')[]> = {
  submit: ['redis'],
  dispatch: ['redis'],
  memory: ['redis'],
  idle: ['redis'],
  agent: ['redis'],
  openjd: [],
  blender: ['redis', 'blender', 'ffmpeg'],
  simulate: [],
  transfer: ['redis'],
};
const packages = needs[name];
if (packages === undefined) {
  process.stderr.write(
    `bench: expected one of ${Object.keys(needs).join(', ')}, found "${name}"\n`,
  );
  process.exit(3);
}
await setUpOrExit(async () => {
  const { ensureSystemPackages } = await import('./system-packages.ts');
  await ensureSystemPackages(packages);
});
const bench: { run(args: string[]): Promise<unknown> } = await import(`../tests/bench/${name}.ts`);
process.stdout.write(`${JSON.stringify(await bench.run(args))}\n`);
process.exit(0);
