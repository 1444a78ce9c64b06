import { compileLinePattern, type LinePattern } from '@karst/shared/pattern/line-pattern.ts';
import type { FailureSign } from '@karst/shared/protocol/failure-rules.ts';
import type { Failure } from './failure.ts';

interface Watched {
  sign: FailureSign;
  /** Absent: the rule has none. */
  pattern: LinePattern | undefined;
}

/** The failure rules of a step, their patterns compiled once. */
export class FailureSigns {
  readonly #watched: readonly Watched[];

  /** Throws an Error for a pattern that does not compile: an orchestrator accepts none. */
  constructor(signs: readonly FailureSign[]) {
    this.#watched = signs.map((sign) => ({ sign, pattern: compiled(sign) }));
  }

  /** Watches one task, what its environments print when they are entered for it included. */
  watch(): SignWatch {
    return new SignWatch(this.#watched);
  }
}

/** Which signs a task's output has shown. */
export class SignWatch {
  readonly #watched: readonly Watched[];
  readonly #open: Set<Watched>;

  constructor(watched: readonly Watched[]) {
    this.#watched = watched;
    this.#open = new Set(watched.filter(({ pattern }) => pattern !== undefined));
  }

  read(line: string): void {
    for (const watched of this.#open) {
      if (watched.pattern?.occursIn(line)) this.#open.delete(watched);
    }
  }

  /** The name of the first rule that applies to a failure. */
  ruleOf({ exitCode, signal }: Failure): string | undefined {
    return this.#watched.find((watched) => {
      const { exitCodes, signals } = watched.sign;
      const anyEnd = exitCodes === undefined && signals === undefined;
      const byCode = exitCode !== undefined && exitCodes?.includes(exitCode);
      const bySignal = signal !== undefined && signals?.includes(signal);
      return (anyEnd || byCode || bySignal) && !this.#open.has(watched);
    })?.sign.name;
  }
}

function compiled({ name, log }: FailureSign): LinePattern | undefined {
  if (log === undefined) return undefined;
  const pattern = compileLinePattern(log);
  if (pattern.ok) return pattern.value;
  throw new Error(`the pattern of the failure rule ${name}: ${pattern.error.message}`);
}
