import { join } from 'node:path';
import { parseFormatString, referencesOf } from '@karst/shared/openjd/format-string.ts';
import type { ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import type { LeaseDefinition } from '@karst/shared/protocol/lease.ts';
import type { OutputLocation } from '../outputs/output-location.ts';
import type { SessionDefinition } from './session-definition.ts';

const scriptTexts = ({ script }: ResolvedStep): string[] => [
  script.onRun.command,
  ...script.onRun.args,
  ...script.embeddedFiles.map(({ data }) => data),
];

/** Where tasks of a step may leave results; those that its script names must be written. */
export function outputLocations(
  { locations: places, parameters }: Pick<SessionDefinition, 'locations' | 'parameters'>,
  step: ResolvedStep,
  filesDir: string,
): OutputLocation[] {
  const referenced = new Set(
    scriptTexts(step).flatMap((text) => {
      const format = parseFormatString(text);
      return format.ok ? referencesOf(format.value) : [];
    }),
  );
  const locations: OutputLocation[] = [];
  for (const [parameter, location] of Object.entries(places)) {
    const { dataFlow, objectType = 'DIRECTORY' } = parameters[parameter] ?? {};
    if (dataFlow !== 'OUT' && dataFlow !== 'INOUT') continue;
    const required = dataFlow === 'OUT' && referenced.has(`Param.${parameter}`);
    locations.push({ parameter, location, path: join(filesDir, location), objectType, required });
  }
  return locations;
}

/**
 * Tells of a path of the file tree whether tasks of the step have no business to change what they find
 * there: it is at no OUT or INOUT location, and the policy collects nothing from elsewhere.
 */
export function readOnlyPlaces({
  locations,
  parameters,
  outputChecks = [],
}: Pick<LeaseDefinition, 'locations' | 'parameters' | 'outputChecks'>): (path: string) => boolean {
  if (outputChecks.some(({ collect }) => collect)) return () => false;
  const written = Object.entries(locations).flatMap(([parameter, location]) => {
    const dataFlow = parameters[parameter]?.dataFlow;
    return dataFlow === 'OUT' || dataFlow === 'INOUT' ? [location] : [];
  });
  return (path) => !written.some((place) => path === place || path.startsWith(`${place}/`));
}
