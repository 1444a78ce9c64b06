import { Budgets, budgetGates } from '@karst/orchestrator/scheduler/budgets.ts';
import { overdueSteps } from '@karst/orchestrator/scheduler/overdue.ts';
import { Ranking, type WaitingStep } from '@karst/orchestrator/scheduler/ranking.ts';
import { Shares } from '@karst/orchestrator/scheduler/shares.ts';
import { expect, it } from 'vitest';
import { stepOf } from './steps.ts';

const film = { studio: 'acme', project: 'film' };
const advert = { studio: 'acme', project: 'advert' };
const HOUR = 3600;
const set = (budgets: Budgets, coreHours: Record<string, number>) =>
  budgets.setBudgets(new Map(Object.entries(coreHours)));
const isClosed = (budgets: Budgets, owner: typeof film) =>
  budgetGates(owner).some((gate) => budgets.closes(gate));

it('closes a project once it has spent its budget, not its studio’s other projects', () => {
  const budgets = new Budgets();
  set(budgets, { 'acme/film': 2 });
  budgets.spend(film, 2 * HOUR - 1);
  expect(isClosed(budgets, film)).toBe(false);
  budgets.spend(film, 1);
  expect(isClosed(budgets, film)).toBe(true);
  expect(isClosed(budgets, advert)).toBe(false);
  expect(budgets.spentOf(film)).toEqual([
    { name: 'project film', spentCoreHours: 2, budgetCoreHours: 2 },
  ]);
  expect(budgets.spentOf(advert)).toEqual([]);
});

it('charges the studio with each of its projects, and tells every budget that is spent', () => {
  const budgets = new Budgets();
  set(budgets, { acme: 3, 'acme/film': 1 });
  budgets.spend(film, 2 * HOUR);
  budgets.spend(advert, HOUR);
  expect(budgets.spentBy('acme')).toBe(3 * HOUR);
  expect(isClosed(budgets, advert)).toBe(true);
  expect(budgets.spentOf(film).map(({ name }) => name)).toEqual(['studio acme', 'project film']);
  expect(budgets.spentOf(advert).map(({ name }) => name)).toEqual(['studio acme']);
});

it('is open again when an estimate is corrected, or the budget raised or taken away', () => {
  const budgets = new Budgets();
  set(budgets, { 'acme/film': 1 });
  budgets.spend(film, HOUR);
  budgets.spend(film, -1);
  expect(isClosed(budgets, film)).toBe(false);
  budgets.spend(film, 1);
  expect(set(budgets, { 'acme/film': 1.5 })).toEqual(['budget:acme/film']);
  expect(isClosed(budgets, film)).toBe(false);
  set(budgets, { 'acme/film': 0 });
  expect(isClosed(budgets, film)).toBe(true);
  // Also the gate of the budget that is gone is answered: somebody has to open it.
  expect(set(budgets, { acme: 5 })).toEqual(['budget:acme/film', 'budget:acme']);
  expect(isClosed(budgets, film)).toBe(false);
});

it('lets so many leases begin that the last of them spends the budget', () => {
  const budgets = new Budgets();
  expect(budgets.leasesLeft(film, 60)).toBe(Number.POSITIVE_INFINITY);
  set(budgets, { acme: 1, 'acme/film': 0.1 });
  expect(budgets.leasesLeft(advert, 60)).toBe(60);
  expect(budgets.leasesLeft(film, 60)).toBe(6);
  budgets.spend(film, 350);
  expect(budgets.leasesLeft(film, 60)).toBe(1);
  expect(budgets.leasesLeft(film, 0)).toBe(Number.POSITIVE_INFINITY);
  budgets.spend(film, 60);
  expect(budgets.leasesLeft(film, 60)).toBe(0);
  expect(budgets.leasesLeft(film, 0)).toBe(0);
  expect(budgets.leasesLeft({ studio: 'rivals', project: 'film' }, 60)).toBe(
    Number.POSITIVE_INFINITY,
  );
});

it('takes a correction that comes before its charge, and tells nothing below 0', () => {
  const budgets = new Budgets();
  budgets.spend(film, -50);
  expect(budgets.spentBy('acme/film')).toBe(0);
  budgets.spend(film, 60);
  expect(budgets.spentBy('acme/film')).toBe(10);
  budgets.setSpent(new Map([['acme', 7]]));
  expect([budgets.spentBy('acme'), budgets.spentBy('acme/film')]).toEqual([7, 0]);
});

it('closes no gate but a budget’s, and only that of its own account', () => {
  const budgets = new Budgets();
  set(budgets, { nuke: 0 });
  expect(budgets.closes('limit:nuke')).toBe(false);
  expect(budgets.closes('budget:nuke/x')).toBe(false);
  expect(budgets.gatesOf({ studio: 'nuke', project: 'x' })).toEqual(['budget:nuke']);
  expect(budgets.closes('budget:nuke')).toBe(true);
});

it('has nothing preempted for a step whose budget is spent', () => {
  const ranking = new Ranking<WaitingStep>(new Shares(1000, 0));
  const [poor, rich] = [film, advert].map((owner, n) =>
    stepOf(n, { ...owner, priorityClass: 'urgent', gates: budgetGates(owner) }),
  );
  if (poor === undefined || rich === undefined) throw new Error('two steps were made');
  for (const step of [poor, rich]) ranking.add(step);
  expect(overdueSteps(ranking, () => 0).steps).toEqual([poor, rich]);
  for (const gate of budgetGates(film).slice(1)) ranking.close(gate);
  expect(overdueSteps(ranking, () => 0).steps).toEqual([rich]);
});
