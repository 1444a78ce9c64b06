import type {
  Ahead,
  FullLimit,
  NodeTest,
  SpentBudget,
  StepExplanation,
  WaitReason,
} from '@karst/shared/protocol/explain.ts';

/** Reasons in the words of people. Each is a sentence. */

type Counts = StepExplanation['nodes'];

/** Tests named in one sentence; the rest is in the list. */
const TESTS_TOLD_MAX = 3;
const MESSAGES_TOLD_MAX = 3;

const nodes = (n: number): string => `${n} node${n === 1 ? '' : 's'}`;
const are = (n: number): string => (n === 1 ? 'is' : 'are');
const tasks = (n: number): string => `${n} task${n === 1 ? '' : 's'}`;

export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.max(1, Math.round(ms))} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

export const paused = 'The job is paused until a person resumes it.';
export const held = 'It is held for approval until a person releases it.';
export const blocked = (steps: readonly string[]): string =>
  `It waits for ${steps.join(', ')} to succeed.`;
export const backingOff = (ms: number): string =>
  `What waits has failed before; the next try is due in ${durationText(ms)}.`;
export const requeueing =
  'Its tasks are between two queues; they are put back within seconds (the reconcile pass).';
export const next = 'Nothing holds it: it should start at the next call of a node.';
export const closed = (counter: string): string => `The counter ${counter} was found full.`;

export const limits = (full: readonly FullLimit[]): string =>
  `${full.map(({ name, inUse, max }) => `${capital(name)}: ${inUse} of ${max} in use`).join('; ')}.`;

export function gang(n: number, reserved: number, possible: number | undefined): string {
  if (reserved >= n) return `Room is kept for all its ${tasks(n)}, and is still to be freed.`;
  const rule = `Its ${tasks(n)} run all at once`;
  return possible === undefined
    ? `${rule}, and wait for room for all of them.`
    : `${rule}: there is room for ${possible}, whatever ends.`;
}

/** A thousandth of a core-hour is a few seconds: with larger figures a tenth says enough. */
const coreHours = (hours: number): string =>
  hours.toLocaleString('en-US', { maximumFractionDigits: hours < 100 ? 3 : 1 });

export const overBudget = (spent: readonly SpentBudget[]): string =>
  `Over budget: ${spent
    .map(
      ({ name, spentCoreHours, budgetCoreHours }) =>
        `${name} has used ${coreHours(spentCoreHours)} of ${coreHours(budgetCoreHours)} core-hours`,
    )
    .join('; ')}.`;

export const noNode = (offline: number): string =>
  offline === 0 ? 'No node is online.' : `No node is online; ${offline} that would suit are not.`;

const testText = ({ test, nodes: n, wanted, has }: NodeTest): string =>
  `${test} (${nodes(n)}: wanted ${wanted}, has ${has})`;

export function testsText(tests: readonly NodeTest[]): string {
  const told = tests.slice(0, TESTS_TOLD_MAX).map(testText).join(', ');
  const rest = tests.length - TESTS_TOLD_MAX;
  return rest > 0 ? `${told} and ${rest} more` : told;
}

export function unsuited(counts: Counts, tests: readonly NodeTest[], online: number): string {
  const others = counts.other_studios ?? 0;
  const offline = counts.offline ?? 0;
  const parts = [
    ...(tests.length > 0 ? [`they fail ${testsText(tests)}`] : []),
    ...(others > 0 ? [`${others} take${others === 1 ? 's' : ''} other studios only`] : []),
    ...(offline > 0 ? [`${offline} that would suit ${are(offline)} offline`] : []),
  ];
  return `None of ${nodes(online)} online can run it: ${parts.join('; ')}.`;
}

const standingTexts: readonly (readonly [keyof Counts, string])[] = [
  ['draining', 'draining'],
  ['outside_schedule', 'outside the hours of their schedule'],
  ['kept_for_larger', 'kept free for a larger task that goes first'],
  ['quarantined', 'in quarantine'],
  ['not_ready', 'not ready'],
  ['pool_closed', 'in a pool outside its hours'],
  ['pool_by_name_only', 'in a pool for jobs that name it'],
  ['other_classes', 'in a pool for other priority classes'],
  ['offline', 'offline'],
];

function messagesText(messages: readonly string[]): string {
  const rest = messages.length - MESSAGES_TOLD_MAX;
  return `${messages.slice(0, MESSAGES_TOLD_MAX).join('; ')}${rest > 0 ? `; ${rest} more` : ''}`;
}

export function unavailable(counts: Counts, messages: readonly string[]): string {
  const parts = standingTexts.flatMap(([standing, text]) => {
    const n = counts[standing] ?? 0;
    if (n === 0) return [];
    return [standing === 'not_ready' ? `${n} ${text} (${messagesText(messages)})` : `${n} ${text}`];
  });
  const suited = standingTexts.reduce((sum, [standing]) => sum + (counts[standing] ?? 0), 0);
  return `${capital(nodes(suited))} would suit, none takes it now: ${parts.join(', ')}.`;
}

export function busy(counts: Counts, tests: readonly NodeTest[]): string {
  const n = counts.busy ?? 0;
  const failed = counts.failed_here ?? 0;
  const whole = failed > 0 ? 'other ' : '';
  const all =
    n === 1 ? `The one ${whole}node that suits is` : `All ${n} ${whole}nodes that suit are`;
  const short = tests.length > 0 ? ` (too little: ${testsText(tests)})` : '';
  const left = failed > 0 ? `; it failed on ${nodes(failed)} lately` : '';
  return `${all} busy${short}${left}.`;
}

const byTexts: Readonly<Record<Ahead['by'], string>> = {
  class: 'a higher class',
  share: 'less of their share used',
  priority: 'a higher priority',
  age: 'an earlier submission',
};

export function behind(groups: readonly Ahead[]): string {
  const parts = groups.map(({ by, own, studios, steps, tasks: n }) => {
    const whose = own ? 'your own studio' : `${studios} other studio${studios === 1 ? '' : 's'}`;
    return `${tasks(n)} in ${steps} step${steps === 1 ? '' : 's'} of ${whose} (${byTexts[by]})`;
  });
  return `First come ${parts.join(', ')}.`;
}

/** The reasons in one sentence or two, after what runs meanwhile. */
export function summary(reasons: readonly WaitReason[], running: number): string {
  const told = reasons.map(({ text }) => text).join(' ');
  return running === 0
    ? told
    : `${capital(tasks(running))} run${running === 1 ? 's' : ''}. ${told}`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
