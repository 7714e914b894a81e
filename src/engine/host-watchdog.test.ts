// Real processes that are stuck: only the second thread can end them.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const PATH = fileURLToPath(new URL('./watched.fixture.ts', import.meta.url));
const forkParent = (rssBytesMax: number) =>
  fork(PATH, ['parent', String(rssBytesMax)], { execArgv: ['--import', 'tsx'] });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('startWatchdog', () => {
  it('ends a stuck process whose parent was killed', async () => {
    const parent = forkParent(Number.MAX_SAFE_INTEGER);
    const [pid] = (await once(parent, 'message')) as [number];
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    while (isAlive(pid)) await sleep(50);
    expect(isAlive(pid)).toBe(false);
  });

  it('ends a stuck process that holds too much memory', async () => {
    const parent = forkParent(250 * 1024 * 1024);
    await once(parent, 'message');
    const [how] = (await once(parent, 'message')) as [string];
    expect(how).toBe('ended by SIGKILL');
    parent.kill('SIGKILL');
  });
});
