import { explainJob } from '../../explain/explain-job.ts';
import { explainNode } from '../../explain/explain-node.ts';
import type { FarmParts } from '../../explain/farm-reader.ts';
import type { StepParts } from '../../explain/step-reader.ts';
import { type Handlers, ProblemError } from '../handler.ts';
import { ownJob } from './jobs.ts';

type ExplainHandlers = Pick<Handlers, 'explainJob' | 'explainNode'>;

export function explainHandlers(parts: FarmParts & StepParts): ExplainHandlers {
  return {
    async explainJob({ params }, { principal }) {
      return await explainJob(parts, await ownJob(parts.jobs, principal.studio, params.jobId));
    },
    async explainNode({ params: { nodeId } }) {
      const node = await parts.nodes.read(nodeId, parts.clock.nowMs());
      if (node === undefined) throw new ProblemError('not_found', `There is no node ${nodeId}.`);
      return await explainNode(parts, node);
    },
  };
}
