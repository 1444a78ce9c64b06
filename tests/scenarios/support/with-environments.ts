export interface EnvironmentShell {
  name: string;
  /** Shell text; $1 is the marks' directory. */
  onEnter: string;
  onExit?: string;
}

const action = (script: string) => ({
  command: '/bin/sh',
  args: ['-c', script, 'environment', '{{Param.Marks}}'],
});

const environment = ({ name, onEnter, onExit }: EnvironmentShell) => ({
  name,
  script: {
    actions: {
      onEnter: action(onEnter),
      ...(onExit === undefined ? {} : { onExit: action(onExit) }),
    },
  },
});

/** A shell job within environments; those of steps by the step's place. */
export function withEnvironments(
  template: string,
  environments: readonly EnvironmentShell[],
  ofSteps: Readonly<Record<number, EnvironmentShell>> = {},
): string {
  const job = JSON.parse(template);
  for (const [at, own] of Object.entries(ofSteps)) {
    job.steps[at].stepEnvironments = [environment(own)];
  }
  return JSON.stringify({ ...job, jobEnvironments: environments.map(environment) });
}
