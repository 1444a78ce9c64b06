import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { parseTemplate } from '@karst/shared/openjd/parse-template.ts';
import type { JobTemplate } from '@karst/shared/openjd/types.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import { CliError, errnoCode, usageError } from '../failure.ts';

/** A job bundle as found on disk: its template's text, and the directory its defaults resolve against. */
export interface Bundle {
  rootDir: string;
  /** The template's file name, for messages. */
  templateName: string;
  source: string;
  template: JobTemplate;
}

const TEMPLATE_NAMES = ['template.yaml', 'template.json'] as const;
const TEMPLATE_CHARACTERS_MAX = 1_048_576;
/** Files of a bundle that mean something to other tools. Ignoring them would run another job. */
const NOT_SUPPORTED = /^(asset_references|parameter_values)\.(yaml|yml|json)$/;

/** Reads and checks the template of a directory (template.yaml or template.json) or a file. */
export async function readBundle(target: string): Promise<Bundle> {
  const templateFile = await findTemplate(target);
  const templateName = path.basename(templateFile);
  const source = await readTemplateText(templateFile);
  const parsed = parseTemplate(source, templateName.endsWith('.json') ? 'json' : 'yaml');
  if (!parsed.ok) {
    throw new CliError('The job template is not valid.', {
      details: parsed.error.map((problem) => fieldErrorLine(problem, templateName)),
    });
  }
  const { template } = parsed.value;
  return { rootDir: path.dirname(templateFile), templateName, source, template };
}

async function findTemplate(target: string): Promise<string> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(target)).isDirectory();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') throw usageError(`${target} does not exist.`);
    throw new CliError(`${target} can't be read (${errnoCode(error)}).`, { cause: error });
  }
  if (!isDirectory) return target;

  const names = await readdir(target);
  const unsupported = names.find((name) => NOT_SUPPORTED.test(name));
  if (unsupported !== undefined) {
    throw new CliError(`${path.join(target, unsupported)} is not supported yet.`, {
      details: [
        'Give parameter values with -p NAME=VALUE and files through PATH parameters,',
        'or submit the template file itself to leave that file out.',
      ],
    });
  }
  const found = TEMPLATE_NAMES.filter((name) => names.includes(name));
  const [first, second] = found;
  if (first === undefined) {
    throw usageError(`${target} has no template.yaml or template.json.`);
  }
  if (second !== undefined) {
    throw usageError(`${target} has both ${first} and ${second}: name the one to submit.`);
  }
  return path.join(target, first);
}

async function readTemplateText(file: string): Promise<string> {
  let text: string;
  try {
    // UTF-8 takes at most four bytes a character: larger files need not be read to be refused.
    if ((await stat(file)).size > 4 * TEMPLATE_CHARACTERS_MAX) throw tooLong(file);
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    if (error instanceof CliError) throw error;
    if (error instanceof TypeError) {
      throw new CliError(`${file} is not a text file (its bytes are not UTF-8).`, { cause: error });
    }
    throw new CliError(`${file} can't be read (${errnoCode(error)}).`, { cause: error });
  }
  if (text.length > TEMPLATE_CHARACTERS_MAX) throw tooLong(file);
  return text;
}

const tooLong = (file: string) =>
  new CliError(
    `${file} is too long for a job template: more than ${TEMPLATE_CHARACTERS_MAX} characters.`,
  );
