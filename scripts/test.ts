import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ensurePyTorch } from './pytorch.ts';
import { runCommand } from './run-command.ts';
import { ensureSeaweedFs } from './seaweedfs.ts';
import { ensureSystemPackages, setUpOrExit } from './system-packages.ts';

/**
 * `npm test`: the set-up, the type check, the linter, and every test. `npm test -- ARG...` runs
 * vitest alone with those arguments, after the same set-up. Exits with 0 only when all was well;
 * the last line on stdout is `N passed, N failed`.
 */

const rootDir = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The part of vitest's JSON report that is counted. */
const reportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.object({ status: z.string() })),
    }),
  ),
});

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

async function countTests(reportFile: string): Promise<Tally> {
  const report = reportSchema.parse(JSON.parse(await readFile(reportFile, 'utf8')));
  // A file that fails to load or in its hooks has no failed test of its own, yet it failed.
  const brokenFiles = report.testResults.filter(
    (file) =>
      file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  for (const file of brokenFiles) {
    process.stdout.write(`failed as a whole: ${path.relative(rootDir, file.name)}\n`);
  }
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests,
  };
}

/** Runs a program of the project's own packages on this Node, its output shown as it comes. */
async function runTool(file: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  const program = path.join(rootDir, 'node_modules', '.bin', file);
  const result = await runCommand(program, args, { cwd: rootDir, env, output: 'inherit' });
  return result.code ?? 1;
}

async function runVitest(args: readonly string[], env: NodeJS.ProcessEnv) {
  const reportDir = await mkdtemp(path.join(tmpdir(), 'karst-test-'));
  const reportFile = path.join(reportDir, 'report.json');
  try {
    const code = await runTool(
      'vitest',
      ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`, ...args],
      env,
    );
    return { code, tally: await countTests(reportFile) };
  } finally {
    await rm(reportDir, { recursive: true, force: true });
  }
}

async function main(args: readonly string[]): Promise<number> {
  const pytorchBinDir = await setUpOrExit(async () => {
    await ensureSystemPackages(['redis', 'blender', 'ffmpeg', 'povray', 'oiiotool']);
    await ensureSeaweedFs();
    return ensurePyTorch();
  });
  const inherited = process.env.PATH ?? '';
  // Tests and the agents they start find a `python3` with PyTorch first.
  const env = { ...process.env, PATH: `${pytorchBinDir}${path.delimiter}${inherited}` };

  const failedChecks: string[] = [];
  if (args.length === 0) {
    if ((await runTool('tsc', ['--noEmit'], env)) !== 0) failedChecks.push('tsc --noEmit');
    if ((await runTool('biome', ['check'], env)) !== 0) failedChecks.push('biome check');
  }
  const { code, tally } = await runVitest(args, env);
  for (const check of failedChecks) process.stdout.write(`${check} failed\n`);
  if (tally.skipped > 0) process.stdout.write(`${tally.skipped} skipped\n`);
  if (tally.failed === 0 && code !== 0) process.stdout.write(`vitest exited with ${code}\n`);
  process.stdout.write(`${tally.passed} passed, ${tally.failed} failed\n`);
  if (code !== 0) return code;
  return failedChecks.length > 0 || tally.failed > 0 ? 1 : 0;
}

process.exit(await main(process.argv.slice(2)));
