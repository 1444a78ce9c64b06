import { describe } from '../http/exchange.ts';
import { errorCode } from '../session/failure.ts';

/** Why an input could not be had. `passing`: trying again may help. */
export interface FetchFailure {
  passing: boolean;
  message: string;
}

/** As an exception, within a download; the message goes on behind the file's name. */
export class FetchError extends Error {
  readonly passing: boolean;

  constructor(message: string, passing: boolean) {
    super(message);
    this.passing = passing;
  }
}

/** Errors of this node's disk; anything else that breaks a download is the connection's. */
const diskErrorCodes = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'ENOENT', 'EMFILE']);

/** What failed a download of `name`; undefined: this node's disk did, or this program. */
export function fetchFailure(error: unknown, name: string): FetchFailure | undefined {
  if (error instanceof FetchError) {
    const joined = error.passing ? `${name}: ${error.message}` : `${name} ${error.message}`;
    return { passing: error.passing, message: joined };
  }
  if (error instanceof ReferenceError || error instanceof RangeError) return undefined;
  if (diskErrorCodes.has(errorCode(error) ?? '')) return undefined;
  return {
    passing: true,
    message: `${name}: ${error instanceof Error ? describe(error) : String(error)}`,
  };
}
