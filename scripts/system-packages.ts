import { fileURLToPath } from 'node:url';
import { findProgram, outputTail, runCommand } from './run-command.ts';

/** What the project may need from the system, by our name for it. */
export type SystemNeed =
  | 'redis'
  | 'blender'
  | 'ffmpeg'
  | 'povray'
  | 'oiiotool'
  | 'python-venv'
  | 'chromium';

type Manager = 'apt-get' | 'dnf' | 'apk' | 'brew';

interface Need {
  /** Any one of these on PATH is enough. */
  programs: readonly string[];
  /** An environment variable that makes the program unnecessary when set. */
  insteadOf?: string;
  packages: Record<Manager, string>;
  /** Said when it is installed: what the person should know beforehand. */
  note?: string;
}

const NEEDS: Record<SystemNeed, Need> = {
  redis: {
    programs: ['redis-server', 'valkey-server'],
    insteadOf: 'REDIS_URL',
    packages: { 'apt-get': 'redis-server', dnf: 'valkey', apk: 'valkey', brew: 'redis' },
    note: 'the system may start its own Redis service on port 6379; Karst starts a private one',
  },
  blender: {
    programs: ['blender'],
    packages: { 'apt-get': 'blender', dnf: 'blender', apk: 'blender', brew: 'blender' },
    note: 'about 170 MB to download, 650 MB on disk',
  },
  ffmpeg: {
    programs: ['ffmpeg'],
    packages: { 'apt-get': 'ffmpeg', dnf: 'ffmpeg-free', apk: 'ffmpeg', brew: 'ffmpeg' },
  },
  povray: {
    programs: ['povray'],
    packages: { 'apt-get': 'povray', dnf: 'povray', apk: 'povray', brew: 'povray' },
  },
  oiiotool: {
    programs: ['oiiotool'],
    packages: {
      'apt-get': 'openimageio-tools',
      dnf: 'OpenImageIO-utils',
      apk: 'openimageio-tools',
      brew: 'openimageio',
    },
  },
  'python-venv': {
    programs: ['python3'],
    packages: { 'apt-get': 'python3-venv', dnf: 'python3', apk: 'python3', brew: 'python' },
  },
  chromium: {
    programs: ['chromium', 'chromium-browser', 'google-chrome'],
    packages: { 'apt-get': 'chromium', dnf: 'chromium', apk: 'chromium', brew: 'chromium' },
  },
};

const MANAGERS: readonly Manager[] = ['apt-get', 'dnf', 'apk', 'brew'];

const INSTALL_ARGS: Record<Manager, readonly string[]> = {
  'apt-get': ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'],
  dnf: ['install', '-y', '--setopt=install_weak_deps=False'],
  apk: ['add'],
  brew: ['install'],
};

/** The set-up cannot go on, and the message says what the person can do. Scripts exit 1 on it. */
export class SetupError extends Error {
  override name = 'SetupError';
}

export interface SetupOptions {
  /** Where programs are looked for (PATH) and REDIS_URL is read. Default: this process's own. */
  env?: NodeJS.ProcessEnv;
  /** Default: a line on stderr. */
  say?: (line: string) => void;
}

/**
 * Installs what is missing through the system's package manager, as root or by `sudo -n`, and says
 * so first. Returns at once when nothing is missing. Throws SetupError, with the exact command to
 * run by hand, where it may not or cannot install.
 */
export async function ensureSystemPackages(
  needs: readonly SystemNeed[],
  options: SetupOptions = {},
): Promise<void> {
  const env = options.env ?? process.env;
  const say = options.say ?? ((line: string) => process.stderr.write(`${line}\n`));

  const missing = await missingNeeds(needs, env);
  if (missing.length === 0) return;
  const manager = MANAGERS.find((name) => findProgram(name, env) !== undefined);
  if (manager === undefined) {
    throw new SetupError(
      `Missing: ${missing.join(', ')}, and none of ${MANAGERS.join(', ')} is here to install ` +
        `${missing.length === 1 ? 'it' : 'them'}. Put ${programsOf(missing)} on the PATH and try again.`,
    );
  }
  const packages = missing.map((need) => NEEDS[need].packages[manager]);
  const prefix = await rightsPrefix(manager, packages, env);
  for (const need of missing) {
    const note = NEEDS[need].note;
    say(`Installing ${need} with ${manager}${note ? ` (${note})` : ''}`);
  }
  say('This happens once and can take a few minutes ...');
  await install(manager, packages, { prefix, env, say });

  const still = await missingNeeds(missing, env);
  if (still.length > 0) {
    throw new SetupError(
      `${manager} installed ${packages.join(' ')}, but ${programsOf(still)} is still not on the PATH.`,
    );
  }
  say(`Installed ${packages.join(', ')}.`);
}

/** Runs a script's set-up; on a SetupError prints its message alone and ends the process with 1. */
export async function setUpOrExit<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\n${error.message}\n`);
    process.exit(1);
  }
}

async function missingNeeds(
  needs: readonly SystemNeed[],
  env: NodeJS.ProcessEnv,
): Promise<SystemNeed[]> {
  const missing: SystemNeed[] = [];
  for (const need of needs) {
    if (!(await isPresent(need, env))) missing.push(need);
  }
  return missing;
}

async function isPresent(need: SystemNeed, env: NodeJS.ProcessEnv): Promise<boolean> {
  const { programs, insteadOf } = NEEDS[need];
  if (insteadOf !== undefined && env[insteadOf]) return true;
  if (need === 'python-venv') return (await findPythonWithVenv(env)) !== undefined;
  return programs.some((program) => findProgram(program, env) !== undefined);
}

/**
 * A Python that can make virtual environments. The system's own comes first: it is the one the
 * package manager can complete, whatever a version manager put earlier on the PATH.
 */
export async function findPythonWithVenv(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const systemOnly = findProgram('python3', { PATH: '/usr/bin' });
  for (const python of [systemOnly, findProgram('python3', env)]) {
    if (python === undefined) continue;
    const asked = await runCommand(python, ['-c', 'import venv, ensurepip'], { env });
    if (asked.code === 0) return python;
  }
  return undefined;
}

/** What must stand before the package manager's command: nothing for root, sudo where it may. */
async function rightsPrefix(
  manager: Manager,
  packages: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  if (manager === 'brew' || process.getuid?.() === 0) return [];
  const sudo = findProgram('sudo', env) !== undefined;
  if (sudo) {
    const asked = await runCommand('sudo', ['-n', 'true'], { env });
    if (asked.code === 0) return ['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive'];
  }
  throw new SetupError(
    `Missing: ${packages.join(', ')}. Installing needs root rights, and ` +
      `${sudo ? 'sudo does not give them without a password' : 'there is no sudo'}. ` +
      `Run this${sudo ? '' : ' as root'} and try again:\n` +
      `  ${sudo ? 'sudo ' : ''}${manualCommand(manager, packages)}`,
  );
}

interface InstallContext {
  prefix: readonly string[];
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
}

async function install(
  manager: Manager,
  packages: readonly string[],
  context: InstallContext,
): Promise<void> {
  const env = { ...context.env, DEBIAN_FRONTEND: 'noninteractive' };
  const call = (args: readonly string[]) => {
    const [command = manager, ...rest] = [...context.prefix, manager, ...args];
    return runCommand(command, rest, { env });
  };
  if (manager === 'apt-get') {
    const updated = await call(['update', '-q']);
    // A stale list often still installs; if not, the install below fails with the reason.
    if (updated.code !== 0) context.say(`apt-get update failed:\n${outputTail(updated, 5)}`);
  }
  const done = await call([...INSTALL_ARGS[manager], ...packages]);
  if (done.code === 0) return;
  const sudo = manager === 'brew' ? '' : 'sudo ';
  throw new SetupError(
    `${outputTail(done)}\n\n${manager} could not install ${packages.join(', ')}. ` +
      `Run this and try again:\n  ${sudo}${manualCommand(manager, packages)}`,
  );
}

function manualCommand(manager: Manager, packages: readonly string[]): string {
  const list = packages.join(' ');
  if (manager === 'apt-get') return `apt-get install -y --no-install-recommends ${list}`;
  return `${manager} ${manager === 'apk' ? 'add' : 'install'} ${list}`;
}

function programsOf(needs: readonly SystemNeed[]): string {
  return needs.map((need) => NEEDS[need].programs.join(' or ')).join(', ');
}

function isNeed(name: string): name is SystemNeed {
  return Object.hasOwn(NEEDS, name);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await setUpOrExit(async () => {
    const names = process.argv.slice(2);
    const unknown = names.find((name) => !isNeed(name));
    if (unknown !== undefined) {
      throw new SetupError(`${unknown} is none of ${Object.keys(NEEDS).join(', ')}.`);
    }
    await ensureSystemPackages(names.filter(isNeed));
  });
}
