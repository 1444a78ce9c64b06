import { intRangeFromSpans, printIntRange } from '@karst/shared/openjd/int-range.ts';
import { matchesPattern, onlyPath, type PathPattern } from '@karst/shared/outputs/path-pattern.ts';
import type { TaskCheck, Wanted } from '@karst/shared/outputs/task-checks.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import type { Failure } from '../session/failure.ts';
import { checkPixels, type DecodeOptions, NoDecoderError } from './decode/decode-full.ts';
import { checkHeader } from './decode/decode-header.ts';

/** A regular file below the output locations, by its place in the job's file tree. */
export interface WrittenFile {
  localPath: string;
  sizeBytes: number;
}

export type VerifyOptions = DecodeOptions;

type Files = ReadonlyMap<string, WrittenFile>;

/**
 * Whether a task wrote what its step's policy asks for. `written`: what is new or changed by this
 * attempt; `there`: whether a path was there before and still is.
 */
export async function verifyOutputs(
  checks: readonly TaskCheck[],
  written: Files,
  there: (path: string) => boolean,
  options: VerifyOptions,
): Promise<Result<null, Failure>> {
  for (const check of checks) {
    const found = await findFiles(check, written, there);
    if (!found.ok) return found;
    for (const [path, file] of found.value) {
      const fault = await verifyFile(check, path, file, options);
      if (!fault.ok) return fault;
    }
  }
  return ok(null);
}

const refuse = (message: string): Result<never, Failure> => err({ kind: 'outputs', message });

/** The files of a check, or how many are missing. */
async function findFiles(
  { wanted, text, minFiles }: TaskCheck,
  written: Files,
  there: (path: string) => boolean,
): Promise<Result<Files, Failure>> {
  const found = new Map<string, WrittenFile>();
  const missing: Wanted[] = [];
  let last = 0;
  for (const one of wanted) {
    const files = filesOf(one.pattern, written);
    for (const [path, file] of files) found.set(path, file);
    if (files.length >= minFiles) continue;
    missing.push(one);
    last = files.length;
    // Thousands of frames among thousands of files take a while, and the node has to stay alive.
    if (onlyPath(one.pattern) === undefined) await new Promise(setImmediate);
  }
  const [first] = missing;
  if (first === undefined) return ok(found);
  if (missing.length === 1) return refuse(missingOne(first, text, last, minFiles, there));
  const frames = missing.map(({ frame = 0n }) => ({ start: frame, end: frame, step: 1n }));
  const list = printIntRange(intRangeFromSpans(frames)).slice(0, 200);
  const few = minFiles === 1 ? 'no file' : `fewer than ${minFiles} files`;
  return refuse(
    `wrote ${few} ${text} of frames ${list}: ${missing.length} of ${wanted.length} frames are missing`,
  );
}

function missingOne(
  { pattern, frame }: Wanted,
  text: string,
  count: number,
  minFiles: number,
  there: (path: string) => boolean,
): string {
  const path = onlyPath(pattern);
  const of = frame === undefined ? '' : ` (frame ${frame})`;
  if (path !== undefined && there(path)) {
    return `${path} was there before, and this attempt did not write it${of}`;
  }
  if (count === 0 && minFiles === 1) return `wrote no ${path ?? `file ${text}`}${of}`;
  return `wrote ${count} of the ${minFiles} files ${path ?? text} expected at least${of}`;
}

function filesOf(pattern: PathPattern, written: Files): [string, WrittenFile][] {
  const path = onlyPath(pattern);
  if (path === undefined) return [...written].filter(([each]) => matchesPattern(pattern, each));
  const file = written.get(path);
  return file === undefined ? [] : [[path, file]];
}

async function verifyFile(
  { minBytes, decode }: TaskCheck,
  path: string,
  { localPath, sizeBytes }: WrittenFile,
  options: VerifyOptions,
): Promise<Result<null, Failure>> {
  if (options.ended.aborted) return refuse('the lease has ended');
  if (sizeBytes < minBytes) {
    return refuse(`${path} has ${sizeBytes} bytes, expected at least ${minBytes}`);
  }
  if (decode === 'none' || sizeBytes === 0) return ok(null);
  try {
    const fault =
      (await checkHeader(localPath)) ??
      (decode === 'full' ? await checkPixels(localPath, options) : undefined);
    return fault === undefined ? ok(null) : refuse(`${path} ${fault}`);
  } catch (error) {
    if (options.ended.aborted) return refuse('the lease has ended');
    if (error instanceof NoDecoderError) return err({ kind: 'node', message: error.message });
    throw error;
  }
}
