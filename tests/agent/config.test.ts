import { describe, expect, it } from 'vitest';
import { readConfig } from '../../worker-agent/config.ts';
import { pathWith } from './support/fake-tools.ts';
import { startAgent, startOrchestrator } from './support/farm.ts';

const least = { KARST_URL: 'https://farm.example', KARST_AGENT_DIR: '/var/lib/karst' };
const read = (more: Record<string, string>) => readConfig({ ...least, ...more });

describe('settings of what a node is', () => {
  it('are read', () => {
    const { told } = read({
      KARST_TAGS: 'workstation, rtx,',
      KARST_REGION: 'eu-central-1',
      KARST_SITE: '',
      KARST_AMOUNTS: 'amount.Acme_licence=4,acme:amount.scratch.fast=0.5',
      KARST_ATTRIBUTES: 'attr.studio_os=rocky9|rocky8',
      KARST_SOFTWARE: 'Nuke=15.1v3',
      KARST_LATENCY_MS: 'Shanghai=18.5, guiyang=2',
      KARST_CPUS: '6',
      KARST_MEMORY_MIB: '8192',
    });
    expect(told).toEqual({
      tags: ['workstation', 'rtx'],
      region: 'eu-central-1',
      amounts: { 'amount.acme_licence': 4, 'acme:amount.scratch.fast': 0.5 },
      attributes: { 'attr.studio_os': ['rocky9', 'rocky8'] },
      software: { nuke: '15.1v3' },
      latencyMs: { shanghai: 18.5, guiyang: 2 },
      cpuCount: 6,
      memoryMib: 8192,
    });
    expect(read({}).told).toEqual({
      tags: [],
      amounts: {},
      attributes: {},
      software: {},
      latencyMs: {},
    });
  });

  it.each([
    ['KARST_AMOUNTS', 'amount.worker.acme_licence=4', 'amount.worker is reserved'],
    ['KARST_AMOUNTS', 'licences=4', 'expected a name such as amount.acme_licence'],
    ['KARST_AMOUNTS', 'amount.licences', 'expected name=number'],
    ['KARST_AMOUNTS', 'amount.licences=many', 'expected number'],
    ['KARST_ATTRIBUTES', 'attr.os=rocky 9', 'expected 1 to 100 letters'],
    ['KARST_SOFTWARE', 'nuke=latest and greatest', 'expected a version'],
    ['KARST_LATENCY_MS', 'shanghai', 'expected place=milliseconds such as shanghai=18.5'],
    ['KARST_LATENCY_MS', 'shanghai=near', 'expected number'],
    ['KARST_LATENCY_MS', 'shanghai=-1', '>=0'],
    ['KARST_LATENCY_MS', 'shanghai=60001', '<=60000'],
    ['KARST_LATENCY_MS', 'hall/2=1', 'expected 1 to 63 lower-case letters'],
    ['KARST_ADDRESS', 'node 7', 'expected a host name or address'],
    ['KARST_TAGS', 'a/b', 'expected 1 to 63'],
    ['KARST_IDLE_STOP', 'gently', '"soft"'],
  ])('%s=%s is refused by name', (name, value, message) => {
    expect(() => read({ [name]: value })).toThrow(new RegExp(`${name}.*${message}`));
  });
});

it('an agent tells what it is and what it found, and starts though tools fail', async () => {
  const orchestrator = await startOrchestrator();
  const path = await pathWith({
    blender: 'echo "Blender 9.8.7"; echo "\tbuild date: 2026-01-01"',
    ffmpeg: 'exit 1',
    povray: 'echo "POV-Ray 3.7.0.10.unofficial" >&2',
    python3: 'echo "Python 3.99.1"',
  });
  await startAgent(orchestrator.url, {
    PATH: path,
    KARST_SOFTWARE_SEARCH: '1',
    KARST_SOFTWARE: 'nuke=15.1,povray=3.8',
    KARST_CPUS: '3',
    KARST_SITE: 'berlin',
    KARST_LATENCY_MS: 'berlin=0.5',
  });
  const inventory = orchestrator.syncs[0]?.inventory;
  expect(inventory).toMatchObject({
    cpuCount: 3,
    site: 'berlin',
    latencyMs: { berlin: 0.5 },
    software: { blender: '9.8.7', python: '3.99.1', nuke: '15.1', povray: '3.8' },
  });
  expect(inventory?.software).not.toHaveProperty('ffmpeg');
});
