import { statSync } from 'node:fs';
import path from 'node:path';
import {
  type PathMappingRule,
  pathMappingRuleSchema,
} from '@karst/shared/openjd/path-mapping-rules.ts';
import { pathFormat } from '@karst/shared/protocol/files.ts';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';

export const pathMapSchema = z.array(pathMappingRuleSchema).default([]);

/** `--path-map`, repeatable: where this machine finds what a scene calls otherwise. */
export function addPathMapOption(command: Command, cwd: string): Command {
  return command.option(
    '--path-map <source=dir>',
    "where this machine finds what scenes have elsewhere: 'Z:\\show=/mnt/show'; repeat it for more",
    (text: string, before: readonly PathMappingRule[] = []) => [...before, readPathMap(text, cwd)],
  );
}

function readPathMap(text: string, cwd: string): PathMappingRule {
  const [source = '', dir = ''] = text.split(/=(.*)/s);
  const format = pathFormat(source);
  if (format === undefined || dir === '') {
    throw new InvalidArgumentError('Expected SOURCE=DIR with an absolute source.');
  }
  const destination = path.resolve(cwd, dir);
  if (!statSync(destination, { throwIfNoEntry: false })?.isDirectory()) {
    throw new InvalidArgumentError(`${dir} is no directory of this machine.`);
  }
  return { source_path_format: format, source_path: source, destination_path: destination };
}
