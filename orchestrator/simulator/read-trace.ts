import type { Problem } from '@karst/shared/openjd/problem.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import {
  type FarmFile,
  farmFileSchema,
  parseFarmFile,
} from '@karst/shared/simulation/farm-file.ts';
import { parseFilmFile } from '@karst/shared/simulation/film-file.ts';
import type { Trace } from './trace.ts';
import { readAlibabaNodes, readAlibabaPods } from './traces/alibaba.ts';
import type { LineProblem } from './traces/csv-lines.ts';
import { filmTrace } from './traces/film.ts';
import { readSwf } from './traces/swf.ts';

/** A farm: FARM.yaml, or a node list of Alibaba's trace with all else as by default. */
export function readFarm(file: string, text: string): Result<FarmFile, string[]> {
  if (!/\.csv$/i.test(file)) {
    const parsed = parseFarmFile(text);
    return parsed.ok ? parsed : err(parsed.error.map((problem) => placed(file, problem)));
  }
  const nodes = readAlibabaNodes(text);
  if (!nodes.ok) return err(nodes.error.map((problem) => lined(file, problem)));
  return ok(farmFileSchema.parse({ nodes: nodes.value }));
}

/** A trace by its file's name: .swf, .csv (pods of Alibaba 2023), else the settings of a film. */
export function readTrace(
  file: string,
  text: string,
  farm: FarmFile,
  seed: number,
): Result<Trace, string[]> {
  if (/\.(swf|csv)$/i.test(file)) {
    const coresMax = Math.max(...farm.nodes.map(({ cores }) => Math.floor(cores)));
    const read = /\.swf$/i.test(file) ? readSwf(text, { coresMax }) : readAlibabaPods(text);
    return read.ok ? read : err(read.error.map((problem) => lined(file, problem)));
  }
  const film = parseFilmFile(text);
  if (!film.ok) return err(film.error.map((problem) => placed(file, problem)));
  return ok(filmTrace(film.value, seed));
}

const lined = (file: string, { line, message }: LineProblem) => `${file}:${line}: ${message}`;

const placed = (file: string, { line, column, message }: Problem) =>
  `${[file, line, column].filter((part) => part !== undefined).join(':')}: ${message}`;
