// For the guard's test: run as `parent` it starts a child that never yields; run as `child` it is that one.
import { forkChild, serveParent } from '../base/child-process.ts';
import { guardHost } from './host-guard.ts';

const FILL = 1024 * 1024;
const CHUNKS = 300;

if (process.argv[2] === 'parent') {
  const child = forkChild('./host-guard.fixture', import.meta.url, {});
  guardHost(child, { rssBytesMax: Number(process.argv[3]) });
  void child.exited.then((how) => process.send?.(how));
  await child.call('ready');
  child.tell('spin');
  process.send?.(child.pid);
} else {
  serveParent({ ready: () => true, spin });
}

function spin(): never {
  const kept: Uint8Array[] = [];
  for (;;) if (kept.length < CHUNKS) kept.push(new Uint8Array(FILL).fill(1));
}
