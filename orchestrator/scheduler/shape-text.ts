import type { Shape } from './shape.ts';

const names: Readonly<Record<string, string>> = {
  'amount.worker.vcpu': 'vCPU',
  'amount.worker.memory': 'MiB of memory',
  'amount.worker.gpu': 'GPU',
  'amount.worker.gpu.memory': 'MiB of memory on each GPU',
  'amount.worker.disk.scratch': 'GiB of scratch space',
};

/** What a shape asks for, for people. */
export function shapeText({ requirements, placement }: Shape): string {
  const { maxLatencyMs = {}, maxPrices: { gpuHour, coreHour } = {}, ...wishes } = placement;
  const parts = [
    ...requirements.amounts
      .filter(({ min }) => min !== undefined && min > 0)
      .map(({ name, min = 0 }) => amountText(name, min)),
    ...requirements.attributes.map(({ name, anyOf, allOf }) => {
      const wanted = [anyOf?.join(' or '), allOf?.join(' and ')].filter(Boolean).join('; ');
      return `${name} ${wanted}`;
    }),
    ...Object.entries(wishes).map(([name, wish]) => `${name} ${wishText(wish)}`),
    ...Object.entries(maxLatencyMs).map(([place, ms]) => `at most ${ms} ms from ${place}`),
    ...(gpuHour === undefined ? [] : [`at most ${gpuHour} for a GPU-hour`]),
    ...(coreHour === undefined ? [] : [`at most ${coreHour} for a core-hour`]),
  ];
  return parts.length === 0 ? 'any node' : parts.join(', ');
}

function amountText(name: string, min: number): string {
  const text = names[name] ?? name;
  return `${min} ${text}${text.endsWith('PU') && min !== 1 ? 's' : ''}`;
}

function wishText(wish: unknown): string {
  if (Array.isArray(wish)) return wish.join(' or ');
  if (typeof wish !== 'object' || wish === null) return String(wish);
  return Object.entries(wish)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ');
}
