import { describe } from 'vitest';
import { type AcceptedCase, acceptTable, type RefusedCase, refuseTable } from '../cases.ts';

const accepts = (title: string, extensions: unknown): AcceptedCase => [
  title,
  { root: { extensions } },
];
const refuses = (title: string, extensions: unknown, path: string, reason: string): RefusedCase => [
  title,
  { root: { extensions } },
  `extensions${path}`,
  reason,
];
const name = 'the name of an extension (3 to 128 of A-Z, 0-9 and _)';

describe('extensions', () => {
  acceptTable([
    accepts('TASK_CHUNKING', ['TASK_CHUNKING']),
    accepts('FEATURE_BUNDLE_1', ['FEATURE_BUNDLE_1']),
    accepts('REDACTED_ENV_VARS', ['REDACTED_ENV_VARS']),
    accepts('all that are supported', ['REDACTED_ENV_VARS', 'TASK_CHUNKING', 'FEATURE_BUNDLE_1']),
  ]);
  refuseTable([
    refuses('an empty list', [], '', 'at least 1 of extensions'),
    refuses('null', null, '', 'a list of extensions, found nothing (null)'),
    refuses('text', 'TASK_CHUNKING', '', 'a list of extensions, found the text "TASK_CHUNKING"'),
    refuses('a map', { TASK_CHUNKING: true }, '', 'a list of extensions, found a map'),
    refuses('a number among them', ['TASK_CHUNKING', 1], '[1]', name),
    refuses('a name in lower case', ['task_chunking'], '[0]', name),
    refuses('a name of two characters', ['AB'], '[0]', name),
    refuses('a name of 129 characters', ['A'.repeat(129)], '[0]', name),
    refuses('a name with a dash', ['TASK-CHUNKING'], '[0]', name),
    refuses('an empty name', [''], '[0]', name),
    refuses('a name with a line break', ['EXPR\n'], '[0]', name),
    refuses(
      'a misspelt name, suggesting the right one',
      ['TASK_CHUNKNG'],
      '[0]',
      'is not supported yet; did you mean "TASK_CHUNKING"?',
    ),
    refuses('a name of 128 characters', ['A'.repeat(128)], '[0]', 'is not supported yet'),
    refuses('a name of 3 characters', ['A_1'], '[0]', '"A_1" is not supported yet'),
    refuses(
      'one name twice',
      ['TASK_CHUNKING', 'TASK_CHUNKING'],
      '[1]',
      'two extensions are named "TASK_CHUNKING"',
    ),
  ]);
});
