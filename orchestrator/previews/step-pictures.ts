import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { OutputPlace, OutputReader, PlacedOutput } from '../store/output-reader.ts';
import { isPicture } from './picture-paths.ts';

const PAGE_FILES = 500;

/** The pictures of a step, task by task. */
export async function* picturesByTask(
  outputs: OutputReader,
  jobId: JobId,
  step: number,
): AsyncGenerator<PlacedOutput[]> {
  let place: OutputPlace | undefined = { step, task: 0, file: 0 };
  let gathered: PlacedOutput[] = [];
  while (place !== undefined) {
    const page = await outputs.page(jobId, place, step, PAGE_FILES);
    for (const file of page.files) {
      if (!isPicture(file.path)) continue;
      if (gathered[0] !== undefined && gathered[0].task !== file.task) {
        yield gathered;
        gathered = [];
      }
      gathered.push(file);
    }
    place = page.next;
  }
  if (gathered.length > 0) yield gathered;
}

/** The pictures of one task, as they count now. */
export async function picturesOfTask(
  outputs: OutputReader,
  jobId: JobId,
  step: number,
  task: number,
): Promise<PlacedOutput[]> {
  const files: PlacedOutput[] = [];
  let place: OutputPlace | undefined = { step, task, file: 0 };
  while (place !== undefined) {
    const page = await outputs.page(jobId, place, step, PAGE_FILES, task);
    files.push(...page.files.filter(({ path }) => isPicture(path)));
    place = page.next;
  }
  return files;
}
