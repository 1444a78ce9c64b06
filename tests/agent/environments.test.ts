import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AgentProcess } from './support/agent-process.ts';
import { environment, note } from './support/environments.ts';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { eventually, processesWith } from './support/processes.ts';
import { command, shell } from './support/steps.ts';
import type { TestLease } from './support/test-lease.ts';
import type { TestOrchestrator } from './support/test-orchestrator.ts';

async function marks({ dir }: AgentProcess): Promise<string[]> {
  const text = await readFile(join(dir, 'marks'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean);
}

const marked = (agent: AgentProcess, word: string) =>
  eventually(async () => (await marks(agent)).includes(word));

const logOf = (orchestrator: TestOrchestrator, lease: TestLease, task = 0) =>
  orchestrator.object(lease, task, 'log', 'task.log')?.toString();

/** An environment that starts a program which goes on; its process id is in the variable DAEMON. */
const daemon = environment('Daemon', {
  onEnter: `${note('start')}sleep 1000 > /dev/null 2>&1 & echo "openjd_env: DAEMON=$!"`,
  onExit: `${note('exit')}kill "$DAEMON"`,
});

const noKeeping = { KARST_SESSION_IDLE_S: '0' };

describe('environments', () => {
  it('are entered once, in order, and exited in reverse, when the agent keeps no sessions', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, noKeeping);
    const outer = environment('Outer', { onEnter: note('+outer'), onExit: note('-outer') });
    const inner = environment('Inner', { onEnter: note('+inner'), onExit: note('-inner') });
    const lease = orchestrator.lease({
      step: shell(note('task')),
      environments: [outer, inner],
      last: 1,
    });
    await orchestrator.finished(lease);
    await marked(agent, '-outer');
    expect(await marks(agent)).toEqual(['+outer', '+inner', 'task', 'task', '-inner', '-outer']);
    await eventually(async () => (await readdir(join(agent.dir, 'sessions'))).length === 0);
  });

  it('give their variables to every later action, until they are unset or the environment is left', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, noKeeping);
    const outer = environment('Outer', {
      variables: { FIXED: 'f {{Param.Word}}', GONE: 'g', HOME: '/elsewhere' },
      onEnter: `${note('"enter $FIXED"')}echo openjd_env: TOLD=t; printf '%s\\n' 'openjd_env: "LINES=a\\nb"' 'openjd_unset_env: LANG'`,
      onExit: note('"exit $FIXED $TOLD $INNER. $GONE."'),
    });
    const inner = environment('Inner', {
      variables: { INNER: 'i' },
      onEnter: 'echo openjd_unset_env: GONE; echo openjd_env: GONE=again; echo openjd_env: TOLD=t2',
      onExit: note('"exit $INNER $TOLD $GONE."'),
    });
    const lease = orchestrator.lease({
      step: shell('echo "$FIXED|$TOLD|$INNER|$GONE|$LANG|$HOME|$LINES"'),
      environments: [outer, inner],
      parameters: { Word: { type: 'STRING', value: 'w' } },
    });
    await orchestrator.finished(lease);
    expect(logOf(orchestrator, lease)).toContain('f w|t2|i|||/elsewhere|a\nb\n');
    await marked(agent, 'exit f w t . g.');
    expect(await marks(agent)).toEqual(['enter f w', 'exit i t2 .', 'exit f w t . g.']);
  });

  it('of tasks can not be changed by tasks', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const lease = orchestrator.lease({
      step: shell('echo "[$A]"; echo openjd_env: A=B; echo openjd_unset_env: HOME'),
      last: 1,
    });
    const results = await orchestrator.finished(lease);
    expect(results.map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded']);
    expect(logOf(orchestrator, lease, 1)).toContain('[]\n');
  });

  it('write their embedded files anew before each action, for the owner only', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, noKeeping);
    const action = {
      command: '/bin/sh',
      args: [
        '-c',
        `${note('"$(cat $0) $(stat -c %a $0)"')} echo broken > "$0"`,
        '{{Env.File.Data}}',
      ],
      cancelation: { mode: 'TERMINATE' as const },
    };
    const file = { name: 'Data', filename: 'data', runnable: false, data: 'in {{Param.Word}}' };
    const lease = orchestrator.lease({
      step: command('true'),
      environments: [
        { name: 'Files', script: { onEnter: action, onExit: action, embeddedFiles: [file] } },
      ],
      parameters: { Word: { type: 'STRING', value: 'w' } },
    });
    await orchestrator.finished(lease);
    await eventually(async () => (await marks(agent)).length === 2);
    expect(await marks(agent)).toEqual(['in w 600', 'in w 600']);
  });

  it('keep what they started running for the tasks of all leases of a step, until the session ends', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const step = shell('kill -0 "$DAEMON" && echo "daemon $DAEMON"');
    const first = orchestrator.lease({ step, environments: [daemon], last: 1 });
    await orchestrator.finished(first);
    const second = orchestrator.lease({ like: first });
    expect(await orchestrator.finished(second)).toMatchObject([{ outcome: 'succeeded' }, {}]);
    const pids = [logOf(orchestrator, first), logOf(orchestrator, first, 1)]
      .concat(logOf(orchestrator, second))
      .map((log) => /^daemon (\d+)$/m.exec(log ?? '')?.[1]);
    expect(new Set(pids).size).toBe(1);
    expect(await marks(agent)).toEqual(['start']);

    const other = orchestrator.lease({ step: command('true') });
    expect(await orchestrator.finished(other)).toMatchObject([{ outcome: 'succeeded' }]);
    // Its slot was needed.
    expect(await marks(agent)).toEqual(['start', 'exit']);
    expect(processesWith('KARST_SESSION', first.grant.leaseId)).toEqual([]);
  });

  it('are exited when the session has been idle for long enough', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, { KARST_SESSION_IDLE_S: '1' });
    const lease = orchestrator.lease({ step: command('true'), environments: [daemon] });
    await orchestrator.finished(lease);
    await marked(agent, 'exit');
    await eventually(async () => (await readdir(join(agent.dir, 'sessions'))).length === 0);
  });

  it('are exited before a drained agent ends, and what they left is killed', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const stubborn = environment('Stubborn', {
      onEnter: 'setsid sleep 1000 > /dev/null 2>&1 &',
      onExit: note('exit'),
    });
    const lease = orchestrator.lease({ step: command('true'), environments: [stubborn] });
    await orchestrator.finished(lease);
    expect(processesWith('KARST_SESSION', lease.grant.leaseId)).toHaveLength(1);
    agent.kill('SIGTERM');
    expect(await agent.ended()).toEqual({ code: 0, signal: null });
    expect(await marks(agent)).toEqual(['exit']);
    expect(processesWith('KARST_SESSION', lease.grant.leaseId)).toEqual([]);
  });
});

describe('a session that breaks', () => {
  it('exits its environments after a task that fails, and the next task gets a new one', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, noKeeping);
    const lease = orchestrator.lease({
      step: shell(`${note('task-$KARST_TASK')}[ "$KARST_TASK" != 0 ]`),
      environments: [environment('Env', { onEnter: note('enter'), onExit: note('exit') })],
      last: 2,
    });
    const results = await orchestrator.finished(lease);
    expect(results.filter(({ outcome }) => outcome === 'failed')).toMatchObject([{ last: 0 }]);
    expect(results.at(-1)).toMatchObject({ outcome: 'succeeded', last: 2 });
    await eventually(async () => (await marks(agent)).length === 7);
    expect(await marks(agent)).toEqual([
      'enter',
      'task-0',
      'exit',
      'enter',
      'task-1',
      'task-2',
      'exit',
    ]);
  });

  it('by an environment that can not be entered fails the task, clearly, and gives back the rest', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({
      step: shell(note('task')),
      environments: [
        environment('Good', { onEnter: note('good'), onExit: note('exit-good') }),
        environment('Bad', { onEnter: 'echo why; exit 3', onExit: note('exit-bad') }),
        environment('Never', { onEnter: note('never'), onExit: note('exit-never') }),
      ],
      last: 4,
    });
    const results = await orchestrator.finished(lease);
    expect(results).toMatchObject([
      {
        outcome: 'failed',
        kind: 'exit',
        exitCode: 3,
        first: 0,
        message: 'onEnter of the environment "Bad": exited with code 3',
        log: { sizeBytes: 4 },
      },
      { outcome: 'returned', first: 1, last: 4 },
    ]);
    expect(logOf(orchestrator, lease)).toBe('why\n');
    await marked(agent, 'exit-good');
    expect(await marks(agent)).toEqual(['good', 'exit-bad', 'exit-good']);
  });

  it('fails the task when an environment takes longer than its timeout or says nonsense', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const slow = orchestrator.lease({
      step: command('true'),
      environments: [environment('Slow', { onEnter: 'sleep 1000' }, { timeoutSeconds: 1 })],
    });
    expect(await orchestrator.finished(slow)).toMatchObject([
      { kind: 'timeout', message: expect.stringContaining('environment "Slow"') },
    ]);
    const odd = orchestrator.lease({
      step: command('true'),
      environments: [environment('Odd', { onEnter: 'echo openjd_env:A=B' })],
    });
    expect(await orchestrator.finished(odd)).toMatchObject([
      { kind: 'reported', message: expect.stringContaining('malformed openjd_env') },
    ]);
  });

  it('exits its environments when its lease is lost, also while it is entered', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({
      step: shell('echo up; sleep 1000'),
      environments: [environment('Env', { onExit: note('exit') })],
    });
    await orchestrator.changes.until(() => lease.log.get(0)?.includes('up'));
    orchestrator.lose(lease);
    await marked(agent, 'exit');
    const entering = orchestrator.lease({
      step: command('true'),
      environments: [environment('Env', { onEnter: 'echo in; sleep 1000', onExit: note('left') })],
    });
    await orchestrator.changes.until(() => entering.log.get(0)?.includes('in'));
    orchestrator.lose(entering);
    await marked(agent, 'left');
    expect(processesWith('KARST_NODE_DIR', agent.dir)).toEqual([]);
  });
});

describe('secrets', () => {
  it('reach the actions, and neither the log, nor the tail, nor status and failure messages', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const lease = orchestrator.lease({
      step: shell(
        'echo "key $KEY"; echo "openjd_status: with $KEY"; echo "openjd_fail: not $KEY"; sleep 1; printf "%s" "$KEY" | sed s/hush/told/; exit 1',
      ),
      environments: [
        {
          ...environment('Env', {
            onEnter: 'echo openjd_redacted_env: KEY=hush-hush; echo hush-hush',
          }),
          redactedVariables: true,
        },
      ],
    });
    expect(await orchestrator.finished(lease)).toMatchObject([
      { outcome: 'failed', message: 'not ********' },
    ]);
    const log = logOf(orchestrator, lease);
    expect(log).toBe(
      'openjd_redacted_env: KEY=********\n********\nkey ********\nopenjd_status: with ********\nopenjd_fail: not ********\ntold-hush',
    );
    expect(lease.log.get(0)).toContain('key ********\n');
    const said = JSON.stringify([...lease.log.values(), orchestrator.syncs]);
    expect(said).toContain('with ********');
    expect(said).not.toContain('hush-hush');
  });

  it('are masked, and set no variable, in a job without REDACTED_ENV_VARS', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const lease = orchestrator.lease({
      step: shell('echo "key <$KEY>"; echo hush-hush'),
      environments: [environment('Env', { onEnter: 'echo openjd_redacted_env: KEY=hush-hush' })],
    });
    await orchestrator.finished(lease);
    expect(logOf(orchestrator, lease)).toBe(
      'openjd_redacted_env: KEY=********\nkey <>\n********\n',
    );
  });
});
