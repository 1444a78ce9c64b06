import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { describe, expect, test } from 'vitest';
import { accepted, acceptTable, refuseTable, templateWith } from './cases.ts';

const script = { actions: { onRun: { command: 'true' } } };
const step = (name: string, ...dependsOn: unknown[]) => ({
  name,
  script,
  ...(dependsOn.length === 0
    ? {}
    : { dependencies: dependsOn.map((target) => ({ dependsOn: target })) }),
});
const steps = (...list: unknown[]) => ({ root: { steps: list } });

describe('steps', () => {
  acceptTable([
    ['a description', { step: { description: 'Renders.' } }],
    ['a name of 64 code points', { step: { name: '🎬'.repeat(64) } }],
    ['braces in a name, which is literal', { step: { name: '{{Param.X}}' } }],
  ]);
  refuseTable([
    ['an empty name', { step: { name: '' } }, 'steps[0].name', 'at least 1'],
    ['a name of 65 characters', { step: { name: 'x'.repeat(65) } }, 'steps[0].name', 'at most 64'],
    ['a name with a tab', { step: { name: 'a\tb' } }, 'steps[0].name', 'U+0009'],
    [
      'a missing name',
      { step: { name: undefined } },
      'steps[0].name',
      'a step needs the key "name"',
    ],
    [
      'a missing script',
      { step: { script: undefined } },
      'steps[0].script',
      'needs the key "script"',
    ],
    ['an unknown key', { step: { scripts: 1 } }, 'steps[0].scripts', 'did you mean "script"?'],
    [
      'two steps of one name',
      steps(step('A'), step('A')),
      'steps[1].name',
      'two steps are named "A"',
    ],
  ]);
});

describe('dependencies', () => {
  acceptTable([
    ['a chain', steps(step('A'), step('B', 'A'), step('C', 'B'))],
    ['a diamond', steps(step('A'), step('B', 'A'), step('C', 'A'), step('D', 'B', 'C'))],
    ['a step that depends on a later one', steps(step('A', 'B'), step('B'))],
  ]);
  const first = 'steps[0].dependencies[0].dependsOn';
  refuseTable([
    [
      'an unknown step',
      steps(step('Render'), step('B', 'Rendr')),
      'steps[1].dependencies[0].dependsOn',
      'there is no step "Rendr"; did you mean "Render"?',
    ],
    ['a step that depends on itself', steps(step('A', 'A')), first, 'step "A" depends on itself'],
    [
      'one dependency twice',
      steps(step('A'), step('B', 'A', 'A')),
      'steps[1].dependencies[1].dependsOn',
      'step "A" is named twice',
    ],
    [
      'a cycle of two',
      steps(step('A', 'B'), step('B', 'A')),
      'steps[1].dependencies[0].dependsOn',
      '"A" -> "B" -> "A"',
    ],
    [
      'a cycle of three behind a step',
      steps(step('Z', 'A'), step('A', 'B'), step('B', 'C'), step('C', 'A')),
      'steps[3].dependencies[0].dependsOn',
      '"A" -> "B" -> "C" -> "A"',
    ],
    [
      'an empty list',
      { step: { dependencies: [] } },
      'steps[0].dependencies',
      'at least 1 of dependencies',
    ],
    [
      'a list of names',
      { step: { dependencies: ['A'] } },
      'steps[0].dependencies[0]',
      'a dependency (a map)',
    ],
    ['a target that is a number', steps(step('A', 5)), first, 'found the integer 5'],
    ['a missing target', { step: { dependencies: [{}] } }, first, 'needs the key "dependsOn"'],
    [
      'an unknown key',
      steps(step('A'), { name: 'B', script, dependencies: [{ dependsOn: 'A', task: 1 }] }),
      'steps[1].dependencies[0].task',
      'unknown key "task"',
    ],
  ]);

  test('two separate cycles are both reported', () => {
    const result = validateTemplate(
      templateWith(steps(step('A', 'B'), step('B', 'A'), step('C', 'D'), step('D', 'C'))),
    );
    const messages = result.ok ? [] : result.error.map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringContaining('"A" -> "B" -> "A"'),
      expect.stringContaining('"C" -> "D" -> "C"'),
    ]);
  });

  test('a chain of 10,000 steps is accepted, and closing it into a cycle is refused', () => {
    const chain = Array.from({ length: 10_000 }, (_, index) =>
      index === 0 ? step('s0') : step(`s${index}`, `s${index - 1}`),
    );
    expect(accepted(templateWith(steps(...chain))).steps).toHaveLength(10_000);
    const closed = validateTemplate(templateWith(steps(step('s0', 's9999'), ...chain.slice(1))));
    expect(closed.ok ? [] : closed.error.map(({ message }) => message)).toEqual([
      expect.stringMatching(/in a circle: "s0" -> "s9999" -> .*…/),
    ]);
  });
});
