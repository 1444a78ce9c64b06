import { z } from 'zod';

/**
 * The one catalogue of failures the API can answer with. `retryable` tells a client whether the same
 * request may succeed later; http/problem.ts is the only place that maps a code to a response.
 */
export const problemCatalogue = {
  invalid_request: { status: 400, title: 'The request is not valid', retryable: false },
  invalid_template: { status: 422, title: 'The job template is not valid', retryable: false },
  invalid_parameters: { status: 422, title: 'The job parameters are not valid', retryable: false },
  invalid_policy: { status: 422, title: 'The job policy is not valid', retryable: false },
  missing_inputs: { status: 422, title: 'Input files are missing', retryable: false },
  unauthenticated: { status: 401, title: 'Authentication is required', retryable: false },
  forbidden: { status: 403, title: 'The key may not do this', retryable: false },
  quota_exceeded: { status: 403, title: 'The storage quota is used up', retryable: false },
  not_found: { status: 404, title: 'Not found', retryable: false },
  method_not_allowed: { status: 405, title: 'Method not allowed', retryable: false },
  conflict: { status: 409, title: 'The state does not allow this', retryable: false },
  enrollment_token_used: {
    status: 409,
    title: 'The enrolment token has been used',
    retryable: false,
  },
  lease_lost: { status: 409, title: 'The lease is no longer held', retryable: false },
  node_superseded: {
    status: 409,
    title: 'A newer agent process speaks for this node',
    retryable: false,
  },
  payload_too_large: { status: 413, title: 'The request is too large', retryable: false },
  unsupported_media_type: { status: 415, title: 'Expected application/json', retryable: false },
  idempotency_key_reused: {
    status: 422,
    title: 'The idempotency key was used for another request',
    retryable: false,
  },
  store_unavailable: { status: 503, title: 'Storage is unavailable', retryable: true },
  shutting_down: { status: 503, title: 'The orchestrator is shutting down', retryable: true },
  internal: { status: 500, title: 'Internal error', retryable: true },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>;

export type ProblemCode = keyof typeof problemCatalogue;

export const fieldErrorSchema = z
  .object({
    path: z.array(z.union([z.string(), z.number()])).describe('Where in the request body.'),
    message: z.string().describe('What was found and what was expected.'),
    line: z.int().min(1).optional().describe('Line in the submitted template text, 1-based.'),
    column: z.int().min(1).optional().describe('Column in the submitted template text, 1-based.'),
  })
  .meta({ id: 'FieldError' });
export type FieldError = z.infer<typeof fieldErrorSchema>;

/** RFC 9457 problem details, as `application/problem+json`. */
export const problemSchema = z
  .object({
    type: z.string().describe('A URI reference that names the kind of problem.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().optional(),
    instance: z.string().optional().describe("The request's id, to be quoted to an operator."),
    code: z.string(),
    retryable: z.boolean(),
    errors: z.array(fieldErrorSchema).optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problemSchema>;
