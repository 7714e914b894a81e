// Memory and processor time of a process and all its descendants, from /proc. RSS counts a page that processes share once
// for each of them (an upper bound); PSS divides it among them (the honest sum). Processor time hardly depends on what
// else the machine does, which the elapsed time does. Linux only; elsewhere all is 0.
import { readdirSync, readFileSync } from 'node:fs';

const SAMPLE_MS = 500;
const KIB_PER_MB = 1_000_000 / 1024;
/** USER_HZ, which Linux shows to every program. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  parent: number;
  /** Of the process and of its children that have ended. */
  ticks: number;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process has gone meanwhile, or this is not Linux.
    return '';
  }
}

function listProcesses(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** The processes below a root, itself included. */
function treeOf(root: number): Map<number, ProcessTimes> {
  const all = new Map<number, ProcessTimes>();
  for (const name of listProcesses()) {
    // `pid (command) state ppid …`: the command may hold anything, so the last bracket counts.
    const stat = read(`/proc/${name}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    if (fields.length > 15) all.set(Number(name), { parent: Number(fields[1]), ticks });
  }
  const tree = new Map([...all].filter(([pid]) => pid === root));
  for (let size = 0; size < tree.size; ) {
    size = tree.size;
    for (const [pid, times] of all) if (tree.has(times.parent)) tree.set(pid, times);
  }
  return tree;
}

const cpuSeconds = (root: number): number =>
  [...treeOf(root).values()].reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;

export interface TreeUse {
  /** Largest that was seen. */
  rssMb: number;
  pssMb: number;
  processes: number;
  /** Of all processes together. */
  cpuSeconds: number;
}

function memoryOf(root: number): Omit<TreeUse, 'cpuSeconds'> {
  const pids = [...treeOf(root).keys()];
  let [rssKib, pssKib] = [0, 0];
  for (const pid of pids) {
    const rollup = read(`/proc/${pid}/smaps_rollup`);
    rssKib += Number(/^Rss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
    pssKib += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return { rssMb: rssKib / KIB_PER_MB, pssMb: pssKib / KIB_PER_MB, processes: pids.length };
}

/** Runs `work` and @returns its result with what the tree below `rootPid` used meanwhile. */
export async function withTreeUse<T>(rootPid: number, work: () => Promise<T>): Promise<{ result: T; use: TreeUse }> {
  const use = { ...memoryOf(rootPid), cpuSeconds: -cpuSeconds(rootPid) };
  const timer = setInterval(() => {
    const now = memoryOf(rootPid);
    use.rssMb = Math.max(use.rssMb, now.rssMb);
    use.pssMb = Math.max(use.pssMb, now.pssMb);
    use.processes = Math.max(use.processes, now.processes);
  }, SAMPLE_MS);
  try {
    const result = await work();
    use.cpuSeconds += cpuSeconds(rootPid);
    return { result, use };
  } finally {
    clearInterval(timer);
  }
}
