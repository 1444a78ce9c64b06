import { z } from 'zod';
import { suggestion } from '../openjd/near-miss.ts';
import type { RawProblem } from '../openjd/problem.ts';
import { quote } from '../openjd/text-rules.ts';
import { compileLinePattern } from '../pattern/line-pattern.ts';

/** Whose fault a rule says a failure is; fatal: the task's, and no retry would mend it. */
export const ruleVerdictSchema = z
  .enum(['task', 'node', 'farm', 'fatal'])
  .meta({ id: 'FailureVerdict' });

const logPattern = z
  .string()
  .min(1)
  .max(500)
  .superRefine((text, context) => {
    const pattern = compileLinePattern(text);
    if (pattern.ok) return;
    const { at, message } = pattern.error;
    context.addIssue({
      code: 'custom',
      message: `expected another pattern (at character ${at + 1}: ${message})`,
    });
  })
  .describe(
    'A regular expression that occurs in a line of the output: characters, . [] \\d \\w \\s ( ) (?: ) | * + ? {m,n} ^ $, and (?i) at the start. The first 4096 characters of a line count.',
  );

export const failureRuleNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'expected 1 to 63 letters, digits, . _ -');

/** What a failure is known by, as the agent needs it. */
const conditions = {
  name: failureRuleNameSchema,
  exitCodes: z.array(z.int().min(0).max(255)).min(1).max(256).optional(),
  signals: z
    .array(z.string().regex(/^SIG[A-Z0-9+-]{1,12}$/, 'expected a name such as SIGSEGV'))
    .min(1)
    .max(64)
    .optional(),
  log: logPattern.optional(),
};

/** A rule as a lease's definition carries it. */
export const failureSignSchema = z.object(conditions).meta({ id: 'FailureSign' });
export type FailureSign = z.infer<typeof failureSignSchema>;

/** Whose fault a failure is that the built-in classes would call the task's. */
export const failureRuleSchema = z
  .strictObject({
    ...conditions,
    steps: z.array(z.string()).min(1).max(1000).optional().describe('Default: every step.'),
    as: ruleVerdictSchema.describe(
      'task: costs a retry. node: costs none, at most 10 times. farm (a licence is missing, a server is away): costs none, and is tried again for as long as it takes. fatal: the task fails at once.',
    ),
    delaySeconds: z
      .int()
      .min(0)
      .max(86_400)
      .optional()
      .describe('How long the task waits before each next try. Default: longer each time.'),
    avoidNode: z
      .boolean()
      .optional()
      .describe(
        'Whether the next try goes to another node. Default: unless it is the farm’s fault.',
      ),
  })
  .refine(({ exitCodes, signals, log }) => exitCodes ?? signals ?? log, {
    message: 'expected exitCodes, signals or log',
  })
  .meta({
    id: 'FailureRule',
    description:
      'Applies when the exit code or signal is among those listed, if any are, and a line of the output matches, if a pattern is given. The first rule that applies decides.',
  });
export type FailureRule = z.infer<typeof failureRuleSchema>;

export const failureRulesSchema = z
  .array(failureRuleSchema)
  .max(32)
  .refine((rules) => new Set(rules.map(({ name }) => name)).size === rules.length, {
    message: 'expected rules of different names',
  });

/** One problem for each step that a rule names and the job lacks. Paths start with "policy". */
export function unknownRuleSteps(
  stepNames: readonly string[],
  rules: readonly FailureRule[],
): RawProblem[] {
  return rules.flatMap(({ steps = [] }, rule) =>
    [...steps.entries()]
      .filter(([, name]) => !stepNames.includes(name))
      .map(([at, name]) => {
        const hint = suggestion(name, stepNames);
        const message = `the job has no step ${quote(name)}${hint} (expected ${stepNames.join(', ')})`;
        return { path: ['policy', 'failureRules', rule, 'steps', at], message, found: name };
      }),
  );
}

/** Rules that apply to a step, as its agents need them. */
export function signsOf(rules: readonly FailureRule[], step: string): FailureSign[] {
  return rules
    .filter(({ steps }) => steps === undefined || steps.includes(step))
    .map(({ name, exitCodes, signals, log }) => ({
      name,
      ...(exitCodes === undefined ? {} : { exitCodes }),
      ...(signals === undefined ? {} : { signals }),
      ...(log === undefined ? {} : { log }),
    }));
}
