import { sleep } from '@karst/shared/clock.ts';
import { previewRoutes } from '@karst/shared/protocol/preview-routes.ts';
import type { StepPreviews } from '@karst/shared/protocol/previews.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { patientRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { type CliContext, say } from '../context.ts';

const LOOK_AGAIN_MS = 500;
/** A preview worker that has not answered for so long may not be there at all. */
const PATIENCE_MS = 90_000;
const PAGE_MAX = 200;

/**
 * A step's previews; with `thumbnails` all of its pictures, else those of one page. Where the step has
 * ended and they are being made, waits for them, a minute and a half at most.
 */
export async function stepPreviews(
  api: ApiClient,
  { jobId, step, thumbnails }: { jobId: string; step: string; thumbnails: boolean },
  context: CliContext,
  signal: AbortSignal,
): Promise<StepPreviews> {
  const page = async (cursor?: string) =>
    await api.call(
      previewRoutes.getStepPreviews,
      { params: { jobId, step }, query: { cursor, limit: PAGE_MAX } },
      { signal, retry: patientRetry },
    );
  const { items } = await api.call(routes.listSteps, { params: { jobId } }, { signal });
  const hasEnded = items.find(({ name }) => name === step)?.endedAt !== undefined;
  const deadlineMs = context.clock.monotonicMs() + PATIENCE_MS;
  let first = await page();
  if (hasEnded && !first.isComplete) say(context, `The farm still makes previews of ${step} …`);
  while (hasEnded && !first.isComplete && context.clock.monotonicMs() < deadlineMs) {
    await sleep(LOOK_AGAIN_MS, signal);
    first = await page();
  }
  if (!first.isComplete) {
    const why = hasEnded
      ? 'its previews are not made yet (does a preview worker run?)'
      : 'it has not ended';
    say(context, `Step ${step}: ${why}, so there is no contact sheet.`);
  }
  const pictures = [...first.pictures];
  let cursor = thumbnails ? first.nextCursor : undefined;
  while (cursor !== undefined) {
    const next = await page(cursor);
    pictures.push(...next.pictures);
    cursor = next.nextCursor;
  }
  return { ...first, pictures: thumbnails ? pictures : [] };
}
