// One process beside the server that ends host processes which can not end themselves: stuck inside SQLite one would
// neither hear that the server has gone (and would keep its locks for ever) nor stop growing. A second thread in each host
// would do, for 7 MiB a host.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import type { Child } from '../base/child-process.ts';

/** Between two looks at the memory of the hosts. */
const LOOK_MS = 500;
/** Before a guard that went away by itself is started again: one that can not run must not be tried in a tight loop. */
const RESTART_MS = 1000;

// Kept as text: it runs without any module of ours, from source and from the build alike. A host is named by its process id
// and the moment it began (proc(5), field 22 of `stat`), so that nobody is killed who got its number later.
const GUARD = `
const { readFileSync } = require('node:fs');
process.title = 'holdfast host-guard';
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
const hosts = new Map();
const read = (pid, file) => {
  try {
    return readFileSync('/proc/' + pid + '/' + file, 'latin1');
  } catch {
    return '';
  }
};
const startOf = (pid) => {
  const stat = read(pid, 'stat');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
};
const end = (pid, host) => {
  hosts.delete(pid);
  if (host.start === undefined || startOf(pid) !== host.start) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has gone by itself.
  }
};
setInterval(() => {
  for (const [pid, host] of hosts) {
    const rss = /^VmRSS:\\s*(\\d+) kB/m.exec(read(pid, 'status'));
    if (rss && Number(rss[1]) * 1024 > host.rssBytesMax) end(pid, host);
  }
}, ${LOOK_MS}).unref();
const hear = (line) => {
  const [pid, rssBytesMax] = line.split(' ').map(Number);
  if (rssBytesMax === undefined) hosts.delete(pid);
  else hosts.set(pid, { rssBytesMax, start: startOf(pid) });
};
process.argv.slice(1).forEach(hear);
let text = '';
process.stdin.setEncoding('latin1').on('data', (chunk) => {
  const lines = (text + chunk).split('\\n');
  text = lines.pop();
  lines.forEach(hear);
});
process.stdin.on('close', () => hosts.forEach((host, pid) => end(pid, host)));
`;

/** Process ids of the guarded hosts, and how much memory each may have. */
const hosts = new Map<number, number>();
let guard: ChildProcess | undefined;
let restart: NodeJS.Timeout | undefined;

/**
 * Ends a host, closing nothing, as soon as this process has gone, whatever the host is doing.
 * @param options.rssBytesMax and as soon as it holds more memory than this
 */
export function guardHost(child: Child, { rssBytesMax = Infinity }: { rssBytesMax?: number } = {}): void {
  const { pid } = child;
  if (pid === 0) return;
  hosts.set(pid, rssBytesMax);
  if (guard) tell(guard, lineOf(pid, rssBytesMax));
  else start();
  void child.exited.then(() => forget(pid));
}

function forget(pid: number): void {
  hosts.delete(pid);
  if (!guard) return;
  tell(guard, String(pid));
  if (hosts.size > 0) return;
  guard.stdin?.end();
  guard = undefined;
}

/** Starts a guard for the hosts there are. It keeps nobody alive, and goes when the last host or this process goes. */
function start(): void {
  clearTimeout(restart);
  if (hosts.size === 0) return;
  const child = trySpawn();
  if (!child) {
    startLater();
    return;
  }
  guard = child;
  child.unref();
  // Where there was no descriptor left it has none; `error` follows.
  const stdin = child.stdin as (Writable & { unref?(): void }) | undefined;
  stdin?.unref?.();
  stdin?.on('error', () => {});
  const again = () => {
    if (guard !== child) return;
    guard = undefined;
    startLater();
  };
  child.once('error', again);
  child.once('exit', again);
}

/** Hosts run on without a guard until there is one again: that a machine has nothing left is no reason to end. */
function startLater(): void {
  clearTimeout(restart);
  restart = setTimeout(start, RESTART_MS).unref();
}

/** The hosts there are come with its first words: this process may be killed before it can tell of them. */
function trySpawn(): ChildProcess | undefined {
  const known = [...hosts].map(([pid, rssBytesMax]) => lineOf(pid, rssBytesMax));
  try {
    return spawn(process.execPath, ['-e', GUARD, '--', ...known], { stdio: ['pipe', 'ignore', 'inherit'] });
  } catch {
    return undefined;
  }
}

/** A pipe is written to at once: what is told here reaches the guard even if this process is killed next. */
function tell({ stdin }: ChildProcess, line: string): void {
  if (stdin?.writable) stdin.write(`${line}\n`);
}

const lineOf = (pid: number, rssBytesMax: number): string => `${pid} ${rssBytesMax}`;
