import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { describe, expect, test } from 'vitest';
import { accepted, templateWith } from './cases.ts';

const script = { actions: { onRun: { command: 'true' } } };
const step = (name: string, ...dependsOn: unknown[]) => ({
  name,
  script,
  ...(dependsOn.length === 0
    ? {}
    : { dependencies: dependsOn.map((target) => ({ dependsOn: target })) }),
});
const steps = (...list: unknown[]) => ({ root: { steps: list } });

describe('dependencies', () => {
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
