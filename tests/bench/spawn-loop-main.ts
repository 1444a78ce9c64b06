import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** The floor: a bare Node loop that spawns `true`, `concurrency` at a time, `count` in all. */
const [count = 0, concurrency = 1] = process.argv.slice(2).map(Number);
let left = count;
const startMs = performance.now();
await Promise.all(
  Array.from({ length: concurrency }, async () => {
    while (left-- > 0) await once(spawn('true', [], { stdio: 'ignore' }), 'exit');
  }),
);
const seconds = (performance.now() - startMs) / 1000;
process.stdout.write(`${JSON.stringify({ event: 'result', perSecond: count / seconds })}\n`);
