import { systemClock } from '@karst/shared/clock.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { errnoCode } from './failure.ts';
import { runCli } from './program.ts';

// `karst … | head` closes the pipe: nobody reads any more, and that is no error.
process.stdout.on('error', (error) => {
  if (errnoCode(error) === 'EPIPE') process.exit(0);
  throw error;
});

// Without a reader of what it says, work goes on.
process.stderr.on('error', (error) => {
  if (errnoCode(error) !== 'EPIPE') throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  // Opened by the command that reads it only.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  clock: systemClock,
  random: systemRandom,
});
