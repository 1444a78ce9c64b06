import {
  type ProblemCode,
  problemCatalogue,
  problemSchema,
} from '@karst/shared/protocol/problem.ts';
import { commonProblems, type Route } from '@karst/shared/protocol/route.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
} from 'zod-openapi';

export const API_VERSION = '1';

const securityOf = {
  public: [],
  studio: [{ apiKey: [] }],
  node: [{ nodeToken: [] }],
  enrollment: [{ enrollmentToken: [] }],
};

const securitySchemes = {
  apiKey: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'karst_<id>_<secret>',
    description:
      "A studio's API key. Roles include those before them: read, submit, operator, admin.",
  },
  nodeToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Signed by the node with its own Ed25519 key (EdDSA), for at most ten minutes.',
  },
  enrollmentToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'karst_enroll_<id>_<secret>',
    description: 'A one-time token made by an operator.',
  },
} as const;

/** Every problem a route may answer, its own and those of any route of its access. */
export function problemsOf(route: Route): ProblemCode[] {
  const codes = new Set<ProblemCode>([...commonProblems, ...route.problems]);
  if (route.access.kind !== 'public') codes.add('unauthenticated').add('shutting_down');
  if (route.access.kind === 'studio' || route.access.kind === 'node') codes.add('forbidden');
  if (route.body !== null) codes.add('payload_too_large').add('unsupported_media_type');
  return [...codes];
}

function problemResponses(route: Route): ZodOpenApiOperationObject['responses'] {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of problemsOf(route)) {
    const { status } = problemCatalogue[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, codes]) => [
        `${status}`,
        {
          description: codes
            .map((code) => `\`${code}\`: ${problemCatalogue[code].title}.`)
            .join(' '),
          content: { 'application/problem+json': { schema: problemSchema } },
        },
      ]),
  );
}

function operationOf(operationId: string, route: Route): ZodOpenApiOperationObject {
  const { response } = route;
  const content =
    response instanceof z.ZodType
      ? { 'application/json': { schema: response } }
      : { [response.mediaType]: { schema: { type: 'string' as const } } };
  const role = route.access.kind === 'studio' ? ` Needs role \`${route.access.role}\`.` : '';
  return {
    operationId,
    tags: [route.tag],
    summary: route.summary,
    description: `${route.summary}${role}`,
    security: securityOf[route.access.kind],
    requestParams: {
      path: route.params,
      query: route.query,
      ...(operationId === 'submitJob' ? { header: idempotencyHeader } : {}),
    },
    ...(route.body === null
      ? {}
      : {
          requestBody: { required: true, content: { 'application/json': { schema: route.body } } },
        }),
    responses: {
      [`${route.status}`]: { description: 'Done.', content },
      ...problemResponses(route),
    },
  };
}

const idempotencyHeader = z.object({
  'Idempotency-Key': z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Visible ASCII. Repeating the call with the same key and body answers the same job.'),
});

/** The route table as an OpenAPI 3.1 document, formatted. */
export function openApiJson(): string {
  const paths: ZodOpenApiPathsObject = {};
  for (const [operationId, route] of Object.entries<Route>(routes)) {
    paths[route.path] = {
      ...paths[route.path],
      [route.method]: operationOf(operationId, route),
    };
  }
  const document = createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Karst',
      version: API_VERSION,
      description:
        'A render farm and AI-training orchestrator. Failures are RFC 9457 problems: `code` names the kind, `retryable` tells whether the same call may succeed later.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    components: { securitySchemes },
    paths,
  });
  return `${JSON.stringify(document, null, 2)}\n`;
}
