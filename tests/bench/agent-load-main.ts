import { z } from 'zod';
import { percentile } from './process-cpu.ts';
import { SimulatedAgents } from './simulated-agents.ts';

/** The load generator as a process of its own, so that it does not share the bench's thread. */
const settings = z
  .object({
    urls: z.array(z.string()),
    adminKey: z.string(),
    agents: z.number(),
    slots: z.number(),
    warmSeconds: z.number(),
    seconds: z.number(),
  })
  .parse(JSON.parse(process.argv[2] ?? ''));

const agents = await SimulatedAgents.enroll(settings);
process.stdout.write(`${JSON.stringify({ event: 'enrolled' })}\n`);
const result = await agents.run(settings.warmSeconds, settings.seconds);
const { grantMs, ...rates } = result;
const summary = {
  ...rates,
  grantMsP50: percentile(grantMs, 0.5),
  grantMsP99: percentile(grantMs, 0.99),
};
process.stdout.write(`${JSON.stringify({ event: 'result', ...summary })}\n`);
agents.close();
process.exit(0);
