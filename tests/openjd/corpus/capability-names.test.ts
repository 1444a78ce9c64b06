import { describe } from 'vitest';
import { type AcceptedCase, acceptTable, type RefusedCase, refuseTable } from '../cases.ts';

const at = 'steps[0].hostRequirements';
const requirements = (hostRequirements: unknown) => ({ step: { hostRequirements } });
const long = (length: number) => 'x'.repeat(length);

describe('names of capabilities', () => {
  const names = (kind: 'amount' | 'attr') => ({
    good: [
      `${kind}.a`,
      `${kind}._a1.b_2`,
      `studio:${kind}.renderer`,
      `_s1:${kind}.a.b.c`,
      `${kind.toUpperCase()}.Software`,
      `${kind}.worker_pool`,
      `${kind}.${long(99 - kind.length)}`,
      ...(kind === 'amount'
        ? ['vcpu', 'memory', 'gpu', 'gpu.memory', 'disk.scratch'].map(
            (each) => `amount.worker.${each}`,
          )
        : ['attr.worker.os.family', 'attr.worker.cpu.arch']),
      ...(kind === 'amount' ? ['Amount.Worker.VCPU'] : ['ATTR.worker.OS.family']),
    ],
    bad: [
      ['', 'at least 1 character'],
      [kind, 'such as'],
      [`${kind}.`, 'such as'],
      [`${kind}.1a`, 'such as'],
      [`${kind}.a-b`, 'such as'],
      [`${kind}.a..b`, 'such as'],
      [`${kind}.a b`, 'such as'],
      [`${kind}.a\n`, 'such as'],
      [`:${kind}.a`, 'such as'],
      [`a:b:${kind}.a`, 'such as'],
      [`1a:${kind}.a`, 'such as'],
      [`${kind === 'amount' ? 'attr' : 'amount'}.a`, 'such as'],
      [`{{Param.P}}`, 'such as'],
      [`${kind}.worker.colour`, `${kind}.worker is reserved`],
      [`${kind}.job.a`, `${kind}.job is reserved`],
      [`${kind}.step.a`, `${kind}.step is reserved`],
      [`${kind}.Task`, `${kind}.task is reserved`],
      [`studio:${kind}.worker.a`, `${kind}.worker is reserved`],
      [`${kind}.${long(100 - kind.length)}`, 'at most 100 characters'],
      [5, 'found the integer 5'],
    ] as const,
  });
  const inAmount = (name: unknown) => requirements({ amounts: [{ name, min: 1 }] });
  const inAttribute = (name: unknown) =>
    requirements({
      attributes: [
        { name, anyOf: [String(name).toLowerCase().includes('cpu') ? 'arm64' : 'linux'] },
      ],
    });
  acceptTable(names('amount').good.map((name): AcceptedCase => [name, inAmount(name)]));
  acceptTable(names('attr').good.map((name): AcceptedCase => [name, inAttribute(name)]));
  refuseTable([
    ...names('amount').bad.map(
      ([name, reason]): RefusedCase => [
        `the amount ${JSON.stringify(name)}`,
        inAmount(name),
        `${at}.amounts[0].name`,
        reason,
      ],
    ),
    ...names('attr').bad.map(
      ([name, reason]): RefusedCase => [
        `the attribute ${JSON.stringify(name)}`,
        inAttribute(name),
        `${at}.attributes[0].name`,
        reason,
      ],
    ),
    [
      'a misspelt name, suggesting',
      inAmount('amount.worker.vcpus'),
      `${at}.amounts[0].name`,
      'did you mean "amount.worker.vcpu"?',
    ],
    [
      'no name',
      requirements({ amounts: [{ min: 1 }] }),
      `${at}.amounts[0].name`,
      'needs the key "name"',
    ],
  ]);
});
