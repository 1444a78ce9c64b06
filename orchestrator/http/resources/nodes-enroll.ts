import type { Enrollment } from '../../access/enrollment.ts';
import { type Handlers, ProblemError } from '../handler.ts';

type EnrollHandlers = Pick<Handlers, 'createEnrollmentToken' | 'enrollNode'>;

export const enrollHandlers = (enrollment: Enrollment): EnrollHandlers => ({
  async createEnrollmentToken({ body }) {
    const { token, expiresAtMs } = await enrollment.createToken(body.ttlSeconds);
    return { token, expiresAt: new Date(expiresAtMs).toISOString() };
  },
  async enrollNode({ body }, { principal }) {
    const result = await enrollment.enroll(principal.token, body.name, body.publicKey.x);
    switch (result.kind) {
      case 'enrolled':
        return { nodeId: result.nodeId };
      case 'used':
        throw new ProblemError(
          'enrollment_token_used',
          'Another node enrolled with this token; ask an operator for a new one.',
        );
      case 'unknown':
        throw new ProblemError('unauthenticated', 'The enrolment token is unknown or has expired.');
    }
  },
});
