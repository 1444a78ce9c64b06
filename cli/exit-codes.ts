/** What the process's exit status says. Scripts depend on these numbers. */
export const exitCodes = {
  ok: 0,
  error: 1,
  jobCanceled: 2,
  usage: 3,
  auth: 4,
  jobFailed: 5,
  waitTimeout: 6,
  /** Ctrl-C. Under --wait it detaches: the job goes on. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
