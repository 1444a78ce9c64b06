import { z } from 'zod';
import type { Access } from './route.ts';

/** Who may call, by name. */
export const read = { kind: 'studio', role: 'read' } as const satisfies Access;
export const submit = { kind: 'studio', role: 'submit' } as const satisfies Access;
export const operator = { kind: 'studio', role: 'operator' } as const satisfies Access;
export const admin = { kind: 'studio', role: 'admin' } as const satisfies Access;
export const node = { kind: 'node' } as const satisfies Access;
export const open = { kind: 'public' } as const satisfies Access;

/** The answer of a call that only does something. */
export const done = z.object({});
