import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ensureSeaweedFs } from '../../scripts/seaweedfs.ts';
import { SetupError } from '../../scripts/system-packages.ts';

it('says why SeaweedFS can’t be had, and leaves nothing half', async () => {
  const homeDir = await mkdtemp(path.join(tmpdir(), 'karst-setup-'));
  onTestFinished(() => rm(homeDir, { recursive: true, force: true }));
  const env = {
    ...process.env,
    PIP_CONFIG_FILE: '/dev/null',
    PIP_INDEX_URL: 'http://127.0.0.1:9/simple',
    PIP_RETRIES: '0',
    PIP_NO_CACHE_DIR: '1',
  };
  const error = await ensureSeaweedFs({ homeDir, env, say: () => undefined }).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SetupError);
  expect(String(error)).toMatch(
    /could not be installed with pip[\s\S]*node scripts\/seaweedfs\.ts/,
  );
  expect(await readdir(homeDir)).toEqual([]);
});
