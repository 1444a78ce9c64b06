import { roleAllows } from '@karst/shared/protocol/access.ts';
import type { Route } from '@karst/shared/protocol/route.ts';
import type { Request } from 'express';
import { type NodePrincipal, type Principal, ProblemError } from '../http/handler.ts';
import type { ApiKeys } from './api-keys.ts';
import type { NodeTokenResult, NodeTokens } from './node-tokens.ts';

const publicPrincipal = { kind: 'public' } as const;

/**
 * Who calls a route, by its access: an API key of a sufficient role, the node named in the path, the
 * bearer of an enrolment token. Throws ProblemError unauthenticated or forbidden.
 */
export function createAuthenticate(
  apiKeys: ApiKeys,
  nodeTokens: NodeTokens,
): (route: Route, request: Request) => Principal | Promise<Principal> {
  const node = (result: NodeTokenResult, request: Request): NodePrincipal => {
    if (!result.ok) throw new ProblemError('unauthenticated', result.reason);
    if (request.params.nodeId !== result.nodeId) {
      throw new ProblemError(
        'forbidden',
        "A node may call its own routes only, not another node's.",
      );
    }
    return { kind: 'node', nodeId: result.nodeId };
  };

  return (route, request) => {
    const { access } = route;
    switch (access.kind) {
      case 'public':
        return publicPrincipal;
      case 'enrollment':
        return { kind: 'enrollment', token: bearer(request, 'an enrolment token') };
      case 'node': {
        const result = nodeTokens.verify(bearer(request, 'a node token'));
        return result instanceof Promise
          ? result.then((late) => node(late, request))
          : node(result, request);
      }
      case 'studio':
        return apiKeys.verify(bearer(request, 'an API key')).then((key) => {
          if (key === undefined) {
            throw new ProblemError('unauthenticated', 'The API key is unknown or revoked.');
          }
          if (!roleAllows(key.role, access.role)) {
            throw new ProblemError(
              'forbidden',
              `The key's role is ${key.role}, expected ${access.role} or more.`,
            );
          }
          return { kind: 'studio', studio: key.studio, role: key.role, keyId: key.id };
        });
    }
  };
}

function bearer(request: Request, what: string): string {
  const header = request.headers.authorization;
  const token = header === undefined ? undefined : /^Bearer ([\x21-\x7e]+)$/i.exec(header)?.[1];
  if (token === undefined) {
    throw new ProblemError('unauthenticated', `Found no Authorization: Bearer with ${what}.`);
  }
  return token;
}
