import { afterAll, afterEach, beforeAll } from 'vitest';
import { Farm, type FarmOptions } from '../../support/farm.ts';

/** A farm shared by the tests of one file. Says what its processes said when a test fails. */
export function farmForFile(options: FarmOptions = {}): () => Farm {
  let started: Farm | undefined;
  const farm = () => {
    if (started === undefined) throw new Error('the farm has not started');
    return started;
  };
  beforeAll(async () => {
    started = await Farm.start(options);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${farm().logs()}\n`);
    await stopAgents(farm());
  });
  afterAll(() => started?.stop());
  return farm;
}

/** Kills every agent, so that the next test's nodes are its own. */
async function stopAgents(farm: Farm): Promise<void> {
  await Promise.all(farm.agents.map(({ child }) => child.kill()));
  farm.agents.length = 0;
}
