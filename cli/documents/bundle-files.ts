import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import {
  type AssetReferences,
  parseAssetReferences,
} from '@karst/shared/bundle/asset-references.ts';
import {
  type ParameterValuesFile,
  parseParameterValues,
} from '@karst/shared/bundle/parameter-values.ts';
import { parseTemplate, type SourceFormat } from '@karst/shared/openjd/parse-template.ts';
import type { Problem } from '@karst/shared/openjd/problem.ts';
import type { JobTemplate } from '@karst/shared/openjd/types.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import { relativeInside } from '../bundle/path-values.ts';
import { errnoCode } from '../failure.ts';
import { fileReport, formatOf, type Report } from './document.ts';
import { readText } from './read-text.ts';

/** A file of a bundle that was read and is valid. */
export interface BundleFile<T> {
  /** As messages name it. */
  readonly file: string;
  readonly text: string;
  readonly value: T;
}

/** What a bundle's directory holds. A part is absent when there is no such file or it is not valid. */
export interface BundleFiles {
  readonly template?: BundleFile<JobTemplate>;
  readonly parameterValues?: BundleFile<ParameterValuesFile>;
  readonly assetReferences?: BundleFile<AssetReferences>;
  /** One for each file that was looked at, and for what the directory itself lacks. */
  readonly reports: readonly Report[];
}

/** Files that mean something to other tools. Ignoring them would run another job. */
const NOT_SUPPORTED = /^(?:(?:asset_references|parameter_values)\.yml|hooks\.(?:yaml|json))$/;

/**
 * Reads a directory's template, parameter_values and asset_references, each .yaml or .json. Nothing is
 * thrown: what is wrong stands in the reports. `shown` is what messages call the directory.
 */
export async function readBundleFiles(dir: string, shown: string): Promise<BundleFiles> {
  const names = await listNames(dir);
  if (!names.ok) return { reports: [fileReport(shown, names.error)] };
  const odd = names.value.filter((name) => NOT_SUPPORTED.test(name));
  const reading: Reading = { dir, shown, names: names.value, reports: odd.map(refuseName) };
  const template = await readPart(reading, 'template', (text, format) => {
    const parsed = parseTemplate(text, format);
    return parsed.ok ? ok(parsed.value.template) : parsed;
  });
  const parameterValues = await readPart(reading, 'parameter_values', parseParameterValues);
  const assetReferences = await readPart(reading, 'asset_references', parseAssetReferences);
  return {
    ...(template === undefined ? {} : { template }),
    ...(parameterValues === undefined ? {} : { parameterValues }),
    ...(assetReferences === undefined ? {} : { assetReferences }),
    reports: reading.reports,
  };

  function refuseName(name: string): Report {
    const why = name.endsWith('.yml')
      ? `expected ${name.slice(0, -'.yml'.length)}.yaml: other tools look for no .yml`
      : 'hooks, programs that rewrite a bundle before it is submitted, are not supported';
    return fileReport(path.join(shown, name), why);
  }
}

interface Reading {
  dir: string;
  shown: string;
  names: readonly string[];
  reports: Report[];
}

async function readPart<T>(
  { dir, shown, names, reports }: Reading,
  part: string,
  parse: (text: string, format: SourceFormat) => Result<T, Problem[]>,
): Promise<BundleFile<T> | undefined> {
  const [name, second] = [`${part}.yaml`, `${part}.json`].filter((each) => names.includes(each));
  if (name === undefined) {
    if (part !== 'template') return undefined;
    reports.push(fileReport(shown, 'has no template.yaml or template.json'));
    return undefined;
  }
  if (second !== undefined) {
    reports.push(fileReport(shown, `has both ${name} and ${second}; expected one of them`));
    return undefined;
  }
  const file = path.join(shown, name);
  const text = await readInside(dir, name);
  if (!text.ok) {
    reports.push(fileReport(file, text.error));
    return undefined;
  }
  const parsed = parse(text.value, formatOf(name));
  reports.push({ file, text: text.value, problems: parsed.ok ? [] : parsed.error });
  return parsed.ok ? { file, text: text.value, value: parsed.value } : undefined;
}

async function listNames(dir: string): Promise<Result<string[], string>> {
  try {
    return ok(await readdir(dir));
  } catch (error) {
    return err(`can't be read (${errnoCode(error)})`);
  }
}

/** A bundle comes from elsewhere: a link of it must not make a file of this machine part of a job. */
async function readInside(dir: string, name: string): Promise<Result<string, string>> {
  const file = path.join(dir, name);
  try {
    const target = await realpath(file);
    if (relativeInside(await realpath(dir), target) === undefined) {
      return err('is a symbolic link that leads out of the bundle');
    }
    if (!(await stat(target)).isFile()) return err('is not a regular file');
  } catch (error) {
    const code = errnoCode(error);
    return err(code === 'ENOENT' ? 'is a symbolic link to nothing' : `can't be read (${code})`);
  }
  return readText(file);
}
