// Resident memory of a process and all its descendants, sampled from /proc. RSS counts a page that processes share once
// for each of them (an upper bound); PSS divides it among them (the honest sum). Linux only; elsewhere there are no figures.
import { readdirSync, readFileSync } from 'node:fs';

const SAMPLE_MS = 200;
const KIB_PER_MB = 1_000_000 / 1024;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process has gone meanwhile, or this is not Linux.
    return '';
  }
}

function parents(): Map<number, number> {
  const found = new Map<number, number>();
  let names: string[] = [];
  try {
    names = readdirSync('/proc');
  } catch {
    return found;
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    // `pid (command) state ppid …`: the command may hold anything, so the last bracket counts.
    const stat = read(`/proc/${name}/stat`);
    const ppid = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    if (ppid !== undefined) found.set(Number(name), Number(ppid));
  }
  return found;
}

function treeOf(root: number): number[] {
  const parentOf = parents();
  const tree = new Set([root]);
  for (let size = 0; size < tree.size; ) {
    size = tree.size;
    for (const [pid, parent] of parentOf) if (tree.has(parent)) tree.add(pid);
  }
  return [...tree];
}

export interface MemoryUse {
  rssMb: number;
  pssMb: number;
  processes: number;
}

function treeMemory(root: number): MemoryUse {
  const pids = treeOf(root);
  let [rssKib, pssKib] = [0, 0];
  for (const pid of pids) {
    const rollup = read(`/proc/${pid}/smaps_rollup`);
    rssKib += Number(/^Rss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
    pssKib += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return { rssMb: rssKib / KIB_PER_MB, pssMb: pssKib / KIB_PER_MB, processes: pids.length };
}

/** Runs `work` and @returns its result with the largest memory of the tree that was seen meanwhile. */
export async function withPeakMemory<T>(
  rootPid: number,
  work: () => Promise<T>,
): Promise<{ result: T; peak: MemoryUse }> {
  const peak = treeMemory(rootPid);
  const timer = setInterval(() => {
    const now = treeMemory(rootPid);
    peak.rssMb = Math.max(peak.rssMb, now.rssMb);
    peak.pssMb = Math.max(peak.pssMb, now.pssMb);
    peak.processes = Math.max(peak.processes, now.processes);
  }, SAMPLE_MS);
  try {
    return { result: await work(), peak };
  } finally {
    clearInterval(timer);
  }
}
