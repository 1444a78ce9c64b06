import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

interface PathParameter {
  name: string;
  objectType?: 'FILE' | 'DIRECTORY';
  dataFlow?: 'IN' | 'OUT' | 'INOUT' | 'NONE';
  default?: string;
}

/** The text of a small template with these PATH parameters, as JSON, which is YAML too. */
export function templateWith(parameters: readonly PathParameter[] = []): string {
  const definitions = parameters.map((parameter) => ({ type: 'PATH', ...parameter }));
  return JSON.stringify({
    specificationVersion: 'jobtemplate-2023-09',
    name: 'shot',
    ...(definitions.length === 0 ? {} : { parameterDefinitions: definitions }),
    steps: [{ name: 'Render', script: { actions: { onRun: { command: 'true' } } } }],
  });
}

/** Writes a bundle: template.yaml and what else it holds, by path. */
export async function writeBundle(
  dir: string,
  template: string,
  files: Readonly<Record<string, string>> = {},
): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(path.join(dir, 'template.yaml'), template);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), text);
  }
}
