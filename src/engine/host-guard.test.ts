// Goal: a host that is stuck is ended when it must be, though it hears nothing. Method: real processes.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { listProcesses } from '../../test/e2e/process-list.ts';
import { MIB } from '../base/limits.ts';

const PATH = fileURLToPath(new URL('./host-guard.fixture.ts', import.meta.url));
const NO_LIMIT = 1e15;
/** A stuck host has 300 MiB of its own. */
const LIMIT = 250 * MIB;
/** A condition that other processes bring about is looked at so often before the test fails. */
const WAIT = { timeout: 20_000, interval: 20 };

let parent: ChildProcess | undefined;
let host: number | undefined;
afterEach(() => {
  parent?.kill('SIGKILL');
  // One that nobody ended would spin for ever.
  if (host !== undefined && isAlive(host)) process.kill(host, 'SIGKILL');
});

/** @returns the process id of the host, which spins */
async function startStuck(rssBytesMax: number): Promise<number> {
  parent = fork(PATH, ['parent', String(rssBytesMax)], { execArgv: ['--import', 'tsx'] });
  const [pid] = (await once(parent, 'message')) as [number];
  host = pid;
  return pid;
}

const isAlive = (pid: number) => listProcesses().some((process) => process.pid === pid);

/** Not the host itself, whose module is named alike. */
const isGuard = (command: string) => command.includes('holdfast host-guard');

const guardsOf = (serverPid: number): number[] =>
  listProcesses()
    .filter(({ parentPid, command }) => parentPid === serverPid && isGuard(command))
    .map(({ pid }) => pid);

describe('guardHost', () => {
  it('ends a stuck host whose server was killed, and then the guard itself', async () => {
    const pid = await startStuck(NO_LIMIT);
    const [guard] = guardsOf(parent!.pid!);
    expect([isAlive(pid), isAlive(guard!)]).toEqual([true, true]);
    parent!.kill('SIGKILL');
    await vi.waitFor(() => expect([isAlive(pid), isAlive(guard!)]).toEqual([false, false]), WAIT);
  });

  it('ends a stuck host that holds too much memory, and goes with the last host', async () => {
    await startStuck(LIMIT);
    const [how] = (await once(parent!, 'message')) as [string];
    expect(how).toMatch(/ended \(SIGKILL\)/);
    await vi.waitFor(() => expect(guardsOf(parent!.pid!)).toEqual([]), WAIT);
  });

  it('is there again when it was killed itself', async () => {
    const pid = await startStuck(NO_LIMIT);
    const [first] = guardsOf(parent!.pid!);
    process.kill(first!, 'SIGKILL');
    const second = await vi.waitFor(() => {
      const [found] = guardsOf(parent!.pid!);
      expect([undefined, first]).not.toContain(found);
      return found!;
    }, WAIT);
    parent!.kill('SIGKILL');
    await vi.waitFor(() => expect([isAlive(pid), isAlive(second)]).toEqual([false, false]), WAIT);
  });
});
