/** What one environment does to the variables of every later action; undefined: unsets it. */
type Changes = Map<string, string | undefined>;

/** The environment variables of a session, as its environments set and unset them. */
export class SessionVariables {
  /** Of the environments entered, outermost first. */
  readonly #layers: Changes[] = [];

  /** An environment begins; its own variables hold from its onEnter on. */
  push(variables: Readonly<Record<string, string>>): void {
    this.#layers.push(new Map(Object.entries(variables)));
  }

  /** The innermost environment is left, and its changes with it. */
  pop(): void {
    this.#layers.pop();
  }

  /** openjd_env of the innermost environment. A variable it has unset stays so. */
  set(name: string, value: string): void {
    const changes = this.#layers.at(-1);
    if (changes === undefined || (changes.has(name) && changes.get(name) === undefined)) return;
    changes.set(name, value);
  }

  /** openjd_unset_env of the innermost environment. */
  unset(name: string): void {
    this.#layers.at(-1)?.set(name, undefined);
  }

  /** Variables as an action sees them. `base` stays as it is. */
  applyTo(base: Readonly<Record<string, string>>): Record<string, string> {
    const variables = { ...base };
    for (const changes of this.#layers) {
      for (const [name, value] of changes) {
        if (value === undefined) delete variables[name];
        else variables[name] = value;
      }
    }
    return variables;
  }
}
