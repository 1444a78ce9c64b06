import { spawn } from 'node:child_process';

/**
 * An entry of its own: `run-with-parent.ts PROGRAM [ARG...]` runs a program that knows nothing of us
 * (Redis) and ends it when our stdin closes, which happens however our parent died.
 */
const [program = '', ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
const stop = () => {
  child.kill('SIGTERM');
};
process.stdin.on('end', stop).on('error', stop).resume();
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
child.on('error', (error) => {
  process.stderr.write(`${program} can't be started: ${error.message}\n`);
  process.exit(127);
});
child.on('exit', (code, signal) => {
  if (signal !== null) process.stderr.write(`${program} was ended by ${signal}\n`);
  process.exit(code ?? 1);
});
