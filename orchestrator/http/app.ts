import type { Route } from '@karst/shared/protocol/route.ts';
import { type OperationId, routes } from '@karst/shared/protocol/routes.ts';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { mountDocs } from './docs-page.ts';
import { createEndpoint, type EndpointDeps } from './endpoint.ts';
import { type Handlers, ProblemError } from './handler.ts';
import { sendProblem } from './problem.ts';
import type { WatchedRequests } from './request-context.ts';

export interface AppDeps extends Omit<EndpointDeps, 'watched' | 'validateResponses'> {
  handlers: Handlers;
  validateResponses?: boolean;
}

const MEBIBYTE = 1024 * 1024;
const BODY_BYTES_MAX = MEBIBYTE;
const bodyBytesMax: Partial<Record<OperationId, number>> = {
  submitJob: 32 * MEBIBYTE,
  syncNode: 8 * MEBIBYTE,
  // 1,000 files with the MD5 sums of their parts.
  createLeaseUploads: 8 * MEBIBYTE,
};

/** Routes are tried in order: what nodes call all the time stands first. */
const hotOperations: OperationId[] = ['syncNode', 'createLeaseUploads', 'appendLiveLog'];

/**
 * The API as an Express app, mounted from the route table. Waiting requests' signals abort with
 * `shutdown`; from then on every call but the service's own answers `shutting_down`.
 */
export function createApp(deps: AppDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  const watched: WatchedRequests = new Set();
  deps.shutdown.addEventListener('abort', () => {
    for (const request of [...watched]) request.abort();
  });
  const endpointDeps: EndpointDeps = { validateResponses: false, ...deps, watched };

  const methods = new Map<string, Set<string>>();
  const mount = <K extends OperationId>(operation: K) => {
    const route = routes[operation];
    const path = expressPath(route);
    const limit = bodyBytesMax[operation] ?? BODY_BYTES_MAX;
    app[route.method](path, createEndpoint(route, deps.handlers[operation], limit, endpointDeps));
    const known = methods.get(path) ?? new Set<string>();
    methods.set(path, known.add(route.method.toUpperCase()));
  };
  const operations = Object.keys(routes).filter(isOperation);
  for (const operation of new Set([...hotOperations, ...operations])) mount(operation);
  mountDocs(app);

  for (const [path, known] of methods) {
    const allow = [...known].sort().join(', ');
    app.all(path, (request, response) => {
      const detail = `${request.method} is not one of ${allow}.`;
      const problem = new ProblemError('method_not_allowed', detail);
      refuse(request, response, problem, { Allow: allow });
    });
  }
  app.use((request: Request, response: Response) => {
    refuse(request, response, new ProblemError('not_found', `There is no ${request.path}.`));
  });
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    refuse(request, response, error);
  });

  function refuse(
    request: Request,
    response: Response,
    error: unknown,
    headers: Record<string, string> = {},
  ) {
    const status = sendProblem(response, error, deps.random.uuid(), deps.logger, headers);
    const method = request.method.toLowerCase();
    // Methods are the client's to invent: a label takes known ones only.
    const known = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'].includes(method);
    deps.metrics.httpRequest('unmatched', known ? method : 'other', status, 0);
  }
  return app;
}

const isOperation = (name: string): name is OperationId => Object.hasOwn(routes, name);

/** `/v1/jobs/{jobId}` as Express writes it: `/v1/jobs/:jobId`. */
const expressPath = (route: Route) => route.path.replace(/\{(\w+)\}/g, ':$1');
