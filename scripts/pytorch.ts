import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { outputTail, runCommand } from './run-command.ts';
import {
  ensureSystemPackages,
  findPythonWithVenv,
  SetupError,
  type SetupOptions,
  setUpOrExit,
} from './system-packages.ts';

const rootDir = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/**
 * Makes sure `import torch, numpy` works in the project's own virtual environment (.karst/pytorch,
 * about 1 GB, made on first use with whatever index pip is set up with). Returns its bin folder:
 * put it first on a PATH and `python3` has PyTorch. Throws SetupError where that cannot be done.
 */
export async function ensurePyTorch(options: SetupOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const say = options.say ?? ((line: string) => process.stderr.write(`${line}\n`));
  const venvDir = path.join(rootDir, '.karst', 'pytorch');
  const binDir = path.join(venvDir, 'bin');
  const python = path.join(binDir, 'python3');
  if (await imports(python)) return binDir;

  await ensureSystemPackages(['python-venv'], options);
  const systemPython = await findPythonWithVenv(env);
  if (systemPython === undefined)
    throw new SetupError('python3 cannot make a virtual environment.');
  say('Installing PyTorch into .karst/pytorch (about 200 MB to download, once) ...');
  const made = await runCommand(systemPython, ['-m', 'venv', '--clear', venvDir], { env });
  if (made.code !== 0) {
    throw new SetupError(`${outputTail(made)}\n\n${systemPython} -m venv ${venvDir} failed.`);
  }
  const pipArgs = ['-m', 'pip', 'install', '--no-input', 'torch', 'numpy'];
  const installed = await runCommand(python, pipArgs, { env });
  if (installed.code !== 0 || !(await imports(python))) {
    throw new SetupError(
      `${outputTail(installed)}\n\nPyTorch could not be installed. Run this and try again:\n` +
        `  ${path.relative(process.cwd(), python)} ${pipArgs.join(' ')}`,
    );
  }
  say('Installed PyTorch.');
  return binDir;
}

async function imports(python: string): Promise<boolean> {
  if (!existsSync(python)) return false;
  const asked = await runCommand(python, ['-c', 'import torch, numpy']);
  return asked.code === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${await setUpOrExit(() => ensurePyTorch())}\n`);
}
