import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readSource } from '@karst/shared/openjd/source.ts';
import { describe, isMap, toJson } from '@karst/shared/openjd/template-value.ts';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { formatOf } from '../documents/document.ts';
import { messageOf } from '../failure.ts';
import { nameValue } from './command-line.ts';

/** Job parameters as a person gives them. Integers beyond 2^53 are text. */
export const givenValuesSchema = z
  .record(z.string(), z.union([z.string(), z.number()]))
  .default({});
export type GivenValues = z.infer<typeof givenValuesSchema>;

/**
 * `-p`, repeatable: NAME=VALUE, a JSON object, or file://PATH to a JSON or YAML map. What comes later
 * wins, except that one NAME=VALUE never replaces another. Also under OpenJD's own names for it.
 */
export function addParamOption(command: Command, cwd: string): Command {
  let single: Record<string, string> = {};
  let given: GivenValues = {};
  const parse = (text: string): GivenValues => {
    if (text.startsWith('file://') || text.trimStart().startsWith('{')) {
      given = { ...given, ...readMany(text, cwd) };
    } else {
      single = nameValue(text, single);
      const name = text.slice(0, text.indexOf('='));
      given = { ...given, [name]: single[name] ?? '' };
    }
    command.setOptionValue('param', given);
    return given;
  };
  const shown = new Option(
    '-p, --param <name=value>',
    'a job parameter, a JSON object or file://PATH of several; repeat it for more',
  );
  command.addOption(shown.argParser(parse));
  for (const flag of ['--job-param <value>', '--parameter <value>']) {
    command.addOption(new Option(flag).hideHelp().argParser(parse));
  }
  return command;
}

function readMany(text: string, cwd: string): GivenValues {
  const file = text.startsWith('file://') ? text.slice('file://'.length) : undefined;
  const source = file === undefined ? text : readFileText(file, cwd);
  const document = readSource(source, file === undefined ? 'json' : formatOf(file));
  if (!document.ok) throw new InvalidArgumentError(document.error[0]?.message ?? '');
  const { value } = document.value;
  if (!isMap(value)) {
    throw new InvalidArgumentError(`Expected a map of parameters, found ${describe(value)}.`);
  }
  const values: GivenValues = {};
  for (const [name, item] of value) {
    if (typeof item !== 'string' && typeof item !== 'number' && typeof item !== 'bigint') {
      const found = describe(item);
      throw new InvalidArgumentError(`Expected ${name} to be text or a number, found ${found}.`);
    }
    const plain = toJson(item);
    values[name] = typeof plain === 'number' ? plain : String(plain);
  }
  return values;
}

function readFileText(file: string, cwd: string): string {
  try {
    return readFileSync(path.resolve(cwd, file), 'utf8');
  } catch (error) {
    throw new InvalidArgumentError(`${file} can't be read: ${messageOf(error)}.`);
  }
}
