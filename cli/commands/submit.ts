import { createJob } from '@karst/shared/openjd/create-job.ts';
import type { Problem as TemplateProblem } from '@karst/shared/openjd/problem.ts';
import type { Job, SubmissionInput } from '@karst/shared/protocol/job.ts';
import type { FieldError, Problem } from '@karst/shared/protocol/problem.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { policyMapSchema } from '@karst/shared/recipes/policy-map.ts';
import { z } from 'zod';
import { patientRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { ProblemResponseError } from '../api/problem-error.ts';
import { type CollectedInputs, collectInputs } from '../bundle/collect-inputs.ts';
import { jobPolicy } from '../bundle/job-policy.ts';
import { type Bundle, readBundle } from '../bundle/read-bundle.ts';
import {
  createProblemLine,
  plainValues,
  type SuppliedValues,
  supplyValues,
} from '../bundle/supplied-values.ts';
import { cacheDir } from '../cache-dir.ts';
import { type CliContext, say } from '../context.ts';
import { readPolicy } from '../documents/read-policy.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliError, InterruptedError } from '../failure.ts';
import { withInterrupt } from '../interrupt.ts';
import { sayWarnings } from '../recipes/read-recipe.ts';
import { jobScanOptionsSchema, scanJob } from '../scan/scan-job.ts';
import { addScanOptions } from '../scan/scan-options.ts';
import { inputsLine, sceneInputs, sceneRules } from '../scan/scene-inputs.ts';
import { count, formatBytes, plainText } from '../terminal/text.ts';
import { openHashCache } from '../transfer/open-hash-cache.ts';
import { TransferMeter } from '../transfer/transfer-meter.ts';
import { uploadInputs } from '../transfer/upload-inputs.ts';
import { taskTotal } from '../wait/progress-text.ts';
import { waitForJob } from '../wait/wait-for-job.ts';
import {
  addConnectionOptions,
  addRecipesOption,
  type CommandLine,
  connectWith,
  duration,
  example,
  integer,
} from './command-line.ts';
import { downloadJob } from './download.ts';
import { addOutputOption, outputFormatSchema, printOne } from './output-format.ts';
import { addParamOption, givenValuesSchema } from './parameter-option.ts';
import { addPolicyOptions, changeOf, policyOptionsSchema } from './policy-options.ts';
import { addStepOptions, stepSettingSchema } from './step-options.ts';

const optionsSchema = policyOptionsSchema.extend({
  ...jobScanOptionsSchema.shape,
  param: givenValuesSchema,
  recipes: z.array(z.string()).default([]),
  project: z.string().optional(),
  priority: z.int().optional(),
  maxRetries: z.int().optional(),
  maxFailed: z.int().optional(),
  hold: z.array(z.string()).default([]),
  stepSettings: z.array(stepSettingSchema).default([]),
  paused: z.boolean().optional(),
  hashCache: z.boolean().default(true),
  wait: z.boolean().default(false),
  timeout: z.number().optional(),
  download: z.string().optional(),
  output: outputFormatSchema.exclude(['table']),
});
type SubmitOptions = z.infer<typeof optionsSchema>;

export function addSubmitCommand({ program, context, finish }: CommandLine): void {
  const command = program
    .command('submit')
    .description('Upload what a job needs and submit it. Prints the job id.')
    .argument(
      '<bundle>',
      'a directory with template.yaml or template.json, a template, or a recipe file',
    )
    .option('--project <name>', 'the project the job belongs to')
    .option('--priority <n>', '0 to 100, higher goes first (default: 50)', integer(0, 100))
    .option('--max-retries <n>', 'retries of a task that fails by itself', integer(0, 100))
    .option('--max-failed <n>', 'the job fails when more tasks failed', integer(0, 1_000_000))
    .option(
      '--hold <step>',
      'a step that waits for karst release once it could run; repeat it for more',
      (step: string, before: string[] = []) => [...before, step],
    )
    .option('--paused', 'the job starts paused; karst resume lets it run')
    .option('--no-hash-cache', 'read every file, whatever is known of it from earlier submits')
    .option('--wait', 'show progress until the job is over; Ctrl-C detaches')
    .option('--timeout <duration>', 'with --wait: stop waiting after this long (exit 6)', duration)
    .option('--download <dir>', 'wait, then download the outputs of a job that succeeded');
  command
    .option('--scan', 'have Blender list what the .blend files of the job need (recipes: always)')
    .option('--no-scan', 'do not look what the scene of a recipe needs')
    .option('--allow-missing', 'submit although files are missing that a scene needs');
  addScanOptions(command, context.cwd);
  addPolicyOptions(command);
  addStepOptions(command);
  addParamOption(command, context.cwd);
  addRecipesOption(command);
  addConnectionOptions(command);
  addOutputOption(command, ['name', 'json', 'yaml']);
  example(
    command,
    'karst submit examples/orbit --wait --download out/orbit',
    'karst submit shot.yaml -p Scene=shot.blend -p Frames=1-240 --priority 80 --policy farm.yaml',
  );
  command.action(async (target: string) => {
    const options = optionsSchema.parse(command.opts());
    const api = await connectWith(context, command);
    const job = await submit(context, api, target, options);
    if (!options.wait && options.download === undefined) return;
    const { exitCode } = await waitForJob(context, api, job.id, options.timeout);
    finish(exitCode);
    if (exitCode !== exitCodes.ok || options.download === undefined) return;
    await downloadJob(context, api, { jobId: job.id, step: undefined, dir: options.download });
  });
}

async function submit(
  context: CliContext,
  api: ApiClient,
  target: string,
  options: SubmitOptions,
): Promise<Job> {
  const bundle = await readBundle(target, context.cwd, options.recipes);
  if (bundle.recipe !== undefined) sayWarnings(context, bundle.recipe);
  let interrupted = 'Interrupted. No job was submitted.';
  const job = await withInterrupt(async (signal) => {
    const submission = await prepare(context, api, { bundle, options, signal });
    interrupted = 'Interrupted while submitting: karst get jobs tells whether the job arrived.';
    return post(context, api, { bundle, submission, signal });
  }).catch((error: unknown) => {
    throw error instanceof InterruptedError ? new InterruptedError(interrupted) : error;
  });
  const name = plainText(job.name);
  const held = job.state === 'paused' ? `, paused: karst resume ${job.id} lets it run` : '';
  say(context, `Submitted ${name} as ${job.id}: ${count(taskTotal(job), 'task')}${held}.`);
  const holds = Object.entries(job.policy.steps).flatMap(([step, { hold, scout }]) =>
    hold ? [step] : scout !== undefined ? [`${step} (after ${count(scout, 'task')})`] : [],
  );
  if (holds.length > 0) {
    say(
      context,
      `To be held for approval: ${plainText(holds.join(', '))} (karst release ${job.id}).`,
    );
  }
  printOne(context, options.output, job, { lines: [], name: job.id });
  return job;
}

interface Preparation {
  bundle: Bundle;
  options: SubmitOptions;
  signal: AbortSignal;
}

/** The same check as the orchestrator's, before gigabytes are uploaded for a typing error. */
function checkParameters(bundle: Bundle, supplied: SuppliedValues): void {
  const created = createJob(bundle.template, plainValues(supplied));
  if (created.ok) return;
  throw new CliError('The job parameters are not valid.', {
    details: created.error.map((problem) => createProblemLine(bundle, supplied, problem)),
  });
}

/** What the person should know of what goes with the job and what does not. */
function sayCollected(context: CliContext, bundle: Bundle, collected: CollectedInputs): void {
  const { outside, outputs, emptyDirCount, absentDirs } = collected;
  const foreign = bundle.parameterValues?.value.foreign ?? [];
  if (foreign.length > 0) say(context, `Left out, as other farms' own: ${foreign.join(', ')}.`);
  for (const { dir, name } of outside) {
    say(context, `Outside the bundle: ${dir} is ${name} in the job's file tree.`);
  }
  if (outputs.length > 0) say(context, `Outputs are also collected from ${outputs.join(', ')}.`);
  if (emptyDirCount > 0) {
    say(context, `Not sent, as they hold no file: ${emptyDirCount} empty folders.`);
  }
  for (const dir of absentDirs) say(context, `${dir} does not exist: the job starts without it.`);
}

/** Collects and uploads what the job brings; only then is there something to submit. */
async function prepare(
  context: CliContext,
  api: ApiClient,
  { bundle, options, signal }: Preparation,
): Promise<SubmissionInput> {
  const supplied = supplyValues(bundle, options.param);
  checkParameters(bundle, supplied);
  const whole = await readPolicy(options.policy, policyMapSchema, context.cwd);
  const policy = jobPolicy(bundle, { ...options, whole, further: changeOf(options) });
  const own = await collectInputs(bundle, supplied, context.cwd);
  const scenes = await scanJob(context, { bundle, supplied, collected: own, options, signal });
  const found = sceneInputs(scenes, own);
  const collected =
    found.length === 0 ? own : await collectInputs(bundle, supplied, context.cwd, found);
  const pathMapping = sceneRules(scenes, collected);
  sayCollected(context, bundle, collected);
  const brought = inputsLine(found);
  if (brought !== undefined) say(context, brought);
  const { files, locations, assets, outputs } = collected;
  const { project } = options;
  const paused = options.paused ?? bundle.parameterValues?.value.policy.paused ?? false;
  const submission: SubmissionInput = {
    template: typeof bundle.source === 'string' ? bundle.source : { ...bundle.source },
    parameters: plainValues(supplied),
    locations,
    policy,
    ...(assets.length === 0 ? {} : { assets }),
    ...(outputs.length === 0 ? {} : { outputs }),
    ...(pathMapping.length === 0 ? {} : { pathMapping }),
    ...(paused ? { paused } : {}),
    ...(project === undefined ? {} : { project }),
  };
  if (files.length === 0) return submission;
  const meter = new TransferMeter(context.stderr, context.clock);
  try {
    const { clock } = context;
    const cache = options.hashCache ? openHashCache(context) : undefined;
    const dir = cacheDir(context.env);
    const sent = await uploadInputs(files, { api, clock, meter, cache, cacheDir: dir, signal });
    meter.clear();
    say(
      context,
      `Uploaded ${count(sent.uploadedCount, 'file')} (${formatBytes(sent.uploadedBytes)}); ` +
        `${count(sent.presentCount, 'file')} there already.`,
    );
    return { ...submission, inputs: sent.inputs };
  } finally {
    meter.clear();
  }
}

/** One key for all tries: a submission whose answer got lost makes no second job. */
async function post(
  context: CliContext,
  api: ApiClient,
  {
    bundle,
    submission,
    signal,
  }: { bundle: Bundle; submission: SubmissionInput; signal: AbortSignal },
): Promise<Job> {
  try {
    return await api.call(
      routes.submitJob,
      { body: submission },
      {
        signal,
        retry: patientRetry,
        headers: { 'idempotency-key': context.random.uuid() },
      },
    );
  } catch (error) {
    if (error instanceof ProblemResponseError) {
      throw new ProblemResponseError(placed(error.problem, bundle), bundle.templateName);
    }
    throw error;
  }
}

/** What the farm says of a template that a recipe made, at the recipe's own lines. */
function placed(problem: Problem, { recipe }: Bundle): Problem {
  if (recipe === undefined || problem.errors === undefined) return problem;
  const errors = problem.errors.map((error) =>
    error.path[0] === 'template'
      ? fieldError(recipe.placeProblem({ path: error.path.slice(1), message: error.message }))
      : error,
  );
  return { ...problem, errors };
}

const fieldError = ({ path, message, line, column }: TemplateProblem): FieldError => ({
  path: [...path],
  message,
  line,
  column,
});
