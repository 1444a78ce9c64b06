import { expect, it } from 'vitest';
import { nvidiaSmi, nvidiaUuids, pathWith } from '../agent/support/fake-tools.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { agentName, Marks, noteStart } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ livenessMs: 30_000 });

const atLeast = (name: string, min: number) => ({ amounts: [{ name, min }] });

/** Shell that notes what of a thing is in use while the task runs: lines of `+x` and `-x`. */
const using = (what: string) =>
  `echo "+${what}" >> "$1/use"; sleep 0.2; echo "-${what}" >> "$1/use"; `;

/** The most that were in use at once, and whether one thing ever was twice. */
function inUse(lines: readonly string[]): { most: number; shared: boolean } {
  const now: string[] = [];
  let most = 0;
  let shared = false;
  for (const line of lines) {
    const what = line.slice(1);
    if (line.startsWith('+')) {
      shared ||= now.includes(what);
      now.push(what);
      most = Math.max(most, now.length);
    } else now.splice(now.indexOf(what), 1);
  }
  return { most, shared };
}

it('hands out each GPU to one task at a time, whatever slots are free', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({
    slots: 6,
    env: { PATH: await pathWith({ 'nvidia-smi': nvidiaSmi }) },
  });
  const job = await farm().submit(
    shellJob(marks, [
      {
        range: '0-9',
        script: using('$CUDA_VISIBLE_DEVICES'),
        hostRequirements: atLeast('amount.worker.gpu', 1),
      },
    ]),
  );
  await farm().jobIn(job.id, ['succeeded']);
  const lines = await marks.lines('use');
  expect(lines).toHaveLength(20);
  expect(new Set(lines.map((line) => line.slice(1)))).toEqual(new Set(nvidiaUuids));
  expect(inUse(lines)).toEqual({ most: 2, shared: false });
});

it('runs several tasks on one node at once, never over what it has', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 8, env: { KARST_AMOUNTS: 'amount.seat=3', KARST_CPUS: '8' } });
  const seats = { range: '0-11', script: using('$2') };
  const job = await farm().submit(
    shellJob(marks, [
      { ...seats, name: 'Seats', hostRequirements: atLeast('amount.seat', 1) },
      {
        ...seats,
        name: 'Cores',
        dependsOn: ['Seats'],
        range: '20-25',
        hostRequirements: atLeast('amount.worker.vcpu', 4),
      },
    ]),
  );
  await farm().jobIn(job.id, ['succeeded']);
  const lines = await marks.lines('use');
  const ofSeats = lines.filter((line) => Number(line.slice(1)) < 20);
  expect(inUse(ofSeats).most).toBeLessThanOrEqual(3);
  expect(inUse(ofSeats).most).toBeGreaterThan(1);
  expect(inUse(lines.filter((line) => Number(line.slice(1)) >= 20)).most).toBeLessThanOrEqual(2);
});

it('waits for a node that suits, and starts when one joins', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ env: { KARST_REGION: 'lhasa', KARST_SOFTWARE: 'nuke=14.1' } });
  const placement = { regions: ['guian'], software: { nuke: '>=15' } };
  const waiting = await farm().submit(shellJob(marks, [{ script: noteStart }]), {
    policy: { placement },
  });
  // A job for anyone runs through meanwhile: nodes are there and idle.
  const other = await farm().submit(shellJob(await Marks.make(farm()), [{ script: 'true' }]));
  await farm().jobIn(other.id, ['succeeded']);
  expect((await farm().readJob(waiting.id)).state).toBe('pending');
  const suited = await farm().startAgent({
    env: { KARST_REGION: 'guian', KARST_SOFTWARE: 'nuke=15.0.2' },
  });
  await farm().jobIn(waiting.id, ['succeeded']);
  expect((await marks.started(0)).agent).toBe(agentName(suited));
});
