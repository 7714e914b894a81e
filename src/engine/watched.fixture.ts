// For the watchdog's test: run as `parent` it forks itself; the child tells its pid, then never yields again.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startWatchdog } from './host-watchdog.ts';

if (process.argv[2] === 'parent') {
  const child = fork(fileURLToPath(import.meta.url), [process.argv[3]!], { execArgv: process.execArgv });
  child.once('message', () => process.send!(child.pid));
  child.once('exit', (_code, signal) => process.send!(`ended by ${signal}`));
} else {
  startWatchdog({ rssBytesMax: Number(process.argv[2]) });
  // The second thread has to be there before this one blocks.
  setTimeout(() => process.send!('ready', () => spin()), 300);
}

function spin(): never {
  const kept: Uint8Array[] = [];
  for (;;) if (kept.length < 300) kept.push(new Uint8Array(1024 * 1024).fill(1));
}
