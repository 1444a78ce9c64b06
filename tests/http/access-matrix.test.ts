import { type Role, roleAllows, roleSchema } from '@karst/shared/protocol/access.ts';
import { nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import { type Route, routeUrl } from '@karst/shared/protocol/route.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, problemIn } from './call.ts';
import { NodeIdentity } from './node-identity.ts';
import { startFarm, type TestFarm } from './test-farm.ts';

let farm: TestFarm;
let nodeId: string;
let nodeToken: string;
let otherNodeToken: string;
let freshEnrollmentToken: string;
const keyOf = new Map<Role, string>();

const wellFormedKey = `karst_${'0'.repeat(20)}_${'A'.repeat(43)}`;

beforeAll(async () => {
  farm = await startFarm();
  for (const role of roleSchema.options) keyOf.set(role, await farm.keyOf(role));
  const operator = keyOf.get('operator') ?? '';
  const newToken = async () => {
    const answer = await call(farm.url, 'POST', '/v1/enrollment-tokens', {
      key: operator,
      body: {},
    });
    return String(Reflect.get(Object(answer.body), 'token'));
  };
  const enroll = async (name: string) => {
    const node = await NodeIdentity.create();
    const body = { name, publicKey: node.publicKey };
    const answer = await call(farm.url, 'POST', '/v1/nodes', { key: await newToken(), body });
    const id = nodeIdSchema.parse(Reflect.get(Object(answer.body), 'nodeId'));
    return { id, token: await node.token(id) };
  };
  const [own, other] = [await enroll('own'), await enroll('other')];
  nodeId = own.id;
  nodeToken = own.token;
  otherNodeToken = other.token;
  freshEnrollmentToken = await newToken();
});
afterAll(() => farm.close());

const url = (route: Route) =>
  routeUrl(
    route,
    {
      jobId: 'job-0123456789abcdef0123',
      step: 'Render',
      stepIndex: 0,
      task: 3,
      nodeId,
      leaseId: '7b0ad4b6-3b3c-4c39-9c5e-0f3ad1d6a0a1',
      keyId: '0123456789abcdef0123',
      studio: 'pixels',
      project: 'feature film',
      name: 'houdini',
    },
    {},
  );
/** An enrolment is judged by its handler, after its body: that one must be good. */
const enrolmentBody = {
  name: 'n',
  publicKey: { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) },
};
const status = async (route: Route, key?: string) => {
  const good = route.access.kind === 'enrollment' ? enrolmentBody : {};
  const body = route.body === null ? {} : { body: good };
  const answer = await call(farm.url, route.method.toUpperCase(), url(route), {
    ...body,
    ...(key === undefined ? {} : { key }),
  });
  if (answer.status >= 400) expect(problemIn(answer).status).toBe(answer.status);
  return answer.status;
};

const table = Object.entries<Route>(routes).filter(([, route]) => route.access.kind !== 'public');

describe.each(table)('%s', (operation, route) => {
  it('refuses a caller without credentials', async () => {
    expect(await status(route)).toBe(401);
  });

  it('refuses a key that does not exist, a malformed one and a wrong scheme', async () => {
    expect(await status(route, wellFormedKey)).toBe(401);
    expect(await status(route, 'karst_nonsense')).toBe(401);
    const answer = await call(farm.url, route.method.toUpperCase(), url(route), {
      headers: { authorization: `Basic ${keyOf.get('admin')}` },
    });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });

  it('refuses credentials of every other kind', async () => {
    const others = {
      studio: [nodeToken, freshEnrollmentToken],
      node: [keyOf.get('admin'), freshEnrollmentToken],
      enrollment: [keyOf.get('admin'), nodeToken],
      public: [],
    }[route.access.kind];
    for (const key of others) expect(await status(route, key)).toBe(401);
  });

  if (route.access.kind === 'node') {
    it("refuses another node's token", async () => {
      expect(await status(route, otherNodeToken)).toBe(403);
    });
    it("lets the node's own token in", async () => {
      expect(await status(route, nodeToken)).not.toBeOneOf([401, 403]);
    });
  }

  if (route.access.kind === 'studio') {
    const { role: needed } = route.access;
    const streams = operation === 'streamEvents';
    it.each(roleSchema.options)('judges a key of role %s by the role it needs', async (role) => {
      if (streams && roleAllows(role, needed)) return;
      const found = await status(route, keyOf.get(role));
      if (roleAllows(role, needed)) expect(found).not.toBeOneOf([401, 403]);
      else expect(found).toBe(403);
    });
  }
});

it('judges who calls before what is asked', async () => {
  const answer = await call(farm.url, 'POST', '/v1/jobs', { body: '{' });
  expect(answer.status).toBe(401);
});
