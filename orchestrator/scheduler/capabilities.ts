import type { Prices } from '@karst/shared/protocol/prices.ts';

/** One GPU a node may hand out; `index` is its place in the node's inventory. */
export interface Device {
  readonly index: number;
  readonly model: string;
  readonly memoryMib: number;
}

/** What a node has, as matching sees it. Names and attribute values are in lower case. */
export interface Capabilities {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly scratchGib: number;
  readonly devices: readonly Device[];
  /** Custom amounts. */
  readonly amounts: Readonly<Record<string, number>>;
  /** Operating system, processor and custom attributes; a node may have several values of one. */
  readonly attributes: Readonly<Record<string, readonly string[]>>;
  readonly software: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly pool: string;
  readonly region: string | undefined;
  readonly site: string | undefined;
  readonly provider: string | undefined;
  /** One way, to places that its agent was told of. */
  readonly latencyMs: Readonly<Record<string, number>>;
  /** Of a kind that is absent: nothing. */
  readonly prices: Readonly<Prices>;
}
