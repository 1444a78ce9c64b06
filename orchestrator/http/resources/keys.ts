import type { ApiKeys } from '../../access/api-keys.ts';
import { type Handlers, ProblemError } from '../handler.ts';

type KeyHandlers = Pick<Handlers, 'whoami' | 'createKey' | 'listKeys' | 'revokeKey'>;

export const keyHandlers = (apiKeys: ApiKeys): KeyHandlers => ({
  async whoami(_input, { principal }) {
    const { keyId, studio, role } = principal;
    return { keyId, studio, role };
  },
  async createKey({ body }) {
    const { key, text } = await apiKeys.create(body);
    return { ...key, key: text };
  },
  async listKeys() {
    return { items: await apiKeys.list() };
  },
  async revokeKey({ params }) {
    if (!(await apiKeys.revoke(params.keyId))) {
      throw new ProblemError('not_found', `There is no key ${params.keyId}.`);
    }
    return {};
  },
});
