import type { Capabilities, Device } from './capabilities.ts';
import { GPU_MEMORY, type Shape } from './shape.ts';
import { versionWithin } from './version-range.ts';

/** A test a node failed, for people. */
export interface Mismatch {
  /** What was tested: `amount.worker.gpu`, `region`, `software.blender`. */
  readonly test: string;
  readonly wanted: string;
  readonly has: string;
  /** By how much what it has is above a cap. Absent: that is no number, or no cap. */
  readonly over?: number;
}

/** Why no task of this shape can ever run on the node; empty when it can. */
export function mismatches(shape: Shape, node: Capabilities): Mismatch[] {
  return [
    ...placementMismatches(shape, node),
    ...latencyMismatches(shape, node),
    ...priceMismatches(shape, node),
    ...requirementMismatches(shape, node),
  ];
}

/** GPUs of the node that the shape accepts, by model and memory. */
export function acceptedDevices(shape: Shape, devices: readonly Device[]): Device[] {
  const models = shape.placement.gpuModels?.map((model) => model.toLowerCase());
  const memoryMib = shape.demand?.gpuMemoryMib ?? 0;
  return devices.filter(
    (device) =>
      device.memoryMib >= memoryMib &&
      (models === undefined || models.some((model) => device.model.toLowerCase().includes(model))),
  );
}

const none = 'none';

function placementMismatches({ placement }: Shape, node: Capabilities): Mismatch[] {
  const failed: Mismatch[] = [];
  const oneOf = (test: string, wanted: readonly string[] | undefined, has: string | undefined) => {
    if (wanted === undefined || (has !== undefined && wanted.includes(has))) return;
    failed.push({ test, wanted: wanted.join(' or '), has: has ?? none });
  };
  if (placement.pool !== undefined) oneOf('pool', [placement.pool], node.pool);
  oneOf('region', placement.regions, node.region);
  oneOf('site', placement.sites, node.site);
  oneOf('provider', placement.providers, node.provider);
  oneOf('node', placement.nodes, node.name);
  if (placement.avoidNodes?.includes(node.name)) {
    failed.push({ test: 'node', wanted: `not ${node.name}`, has: node.name });
  }
  const missing = placement.tags?.filter((tag) => !node.tags.includes(tag)) ?? [];
  if (missing.length > 0) {
    failed.push({ test: 'tags', wanted: missing.join(' and '), has: node.tags.join(', ') || none });
  }
  for (const [name, range] of Object.entries(placement.software ?? {})) {
    const version = node.software[name];
    if (version !== undefined && versionWithin(version, range)) continue;
    failed.push({ test: `software.${name}`, wanted: range, has: version ?? none });
  }
  return failed;
}

/** A node that told no latency to a place is not known to be near it. */
function latencyMismatches({ placement }: Shape, { latencyMs }: Capabilities): Mismatch[] {
  return Object.entries(placement.maxLatencyMs ?? {}).flatMap(([place, max]) => {
    const test = `latency.${place}`;
    // A place may have the name of something that every object inherits: "constructor".
    const has = Object.hasOwn(latencyMs, place) ? latencyMs[place] : undefined;
    if (has !== undefined) return aboveCap(test, max, has, ' ms');
    return [{ test, wanted: `at most ${max} ms`, has: none }];
  });
}

function priceMismatches({ placement, demand }: Shape, { prices }: Capabilities): Mismatch[] {
  const { gpuHour, coreHour } = placement.maxPrices ?? {};
  const usesGpus = demand !== undefined && demand.gpus > 0;
  return [
    ...(usesGpus ? aboveCap('price.gpuHour', gpuHour, prices.gpuHour) : []),
    ...aboveCap('price.coreHour', coreHour, prices.coreHour),
  ];
}

function aboveCap(test: string, max = Infinity, has = 0, unit = ''): Mismatch[] {
  if (has <= max) return [];
  return [{ test, wanted: `at most ${max}${unit}`, has: `${has}${unit}`, over: has - max }];
}

function requirementMismatches(shape: Shape, node: Capabilities): Mismatch[] {
  const failed: Mismatch[] = [];
  for (const { name, min = 0, max } of shape.requirements.amounts) {
    const has = amountOf(name, shape, node);
    if (has < min) failed.push({ test: name, wanted: `at least ${min}`, has: String(has) });
    // A host with more than `max` serves all the same: the session is given no more than that.
    else if (max !== undefined && max < min) {
      failed.push({ test: name, wanted: `at most ${max}`, has: String(has) });
    }
  }
  for (const { name, anyOf, allOf } of shape.requirements.attributes) {
    const has = node.attributes[name] ?? [];
    const any = anyOf === undefined || anyOf.some((value) => has.includes(value.toLowerCase()));
    const all = allOf === undefined || allOf.every((value) => has.includes(value.toLowerCase()));
    if (any && all) continue;
    const wanted = [anyOf?.join(' or '), allOf?.join(' and ')].filter(Boolean).join('; ');
    failed.push({ test: name, wanted, has: has.join(', ') || none });
  }
  return failed;
}

function amountOf(name: string, shape: Shape, node: Capabilities): number {
  switch (name) {
    case 'amount.worker.vcpu':
      return node.vcpus;
    case 'amount.worker.memory':
      return node.memoryMib;
    case 'amount.worker.disk.scratch':
      return node.scratchGib;
    case 'amount.worker.gpu':
      return acceptedDevices(shape, node.devices).length;
    case GPU_MEMORY: {
      // Only GPUs handed out need the memory, so one that has it is enough unless more are asked for.
      const memories = node.devices.map(({ memoryMib }) => memoryMib);
      return memories.length === 0 ? 0 : Math.max(...memories);
    }
    default:
      return node.amounts[name] ?? 0;
  }
}
