// The processes of a server, and the end of some of them.
import { setTimeout as sleep } from 'node:timers/promises';
import { listProcesses, type ProcessInfo } from '../e2e/process-list.ts';

const TRIES = 20;
const POLL_MS = 20;

/** Everything that a process has started, and what that has started. */
export function descendants(rootPid: number): ProcessInfo[] {
  const all = listProcesses();
  const tree = new Set([rootPid]);
  for (let size = 0; size < tree.size; ) {
    size = tree.size;
    for (const { pid, parentPid } of all) if (tree.has(parentPid)) tree.add(pid);
  }
  return all.filter(({ pid }) => tree.has(pid) && pid !== rootPid);
}

/** Children of a kind. Some come and go with the work: they are waited for a little. */
export async function findChildren(rootPid: number, command: RegExp): Promise<ProcessInfo[]> {
  for (let tries = 0; tries < TRIES; tries++) {
    const found = descendants(rootPid).filter((child) => command.test(child.command));
    if (found.length > 0) return found;
    await sleep(POLL_MS);
  }
  return [];
}

/** kill -9 of a process that may have ended meanwhile. */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
