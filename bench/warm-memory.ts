// A virtual machine gives memory that nobody uses back to its host, and taking it again costs ten times as much as using
// it: whoever worked right behind another that had freed much would look faster. So much is taken and freed before each turn.
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const CHUNK = Buffer.alloc(1 << 20, 1);

/** Leaves so many bytes of memory at hand for what works next. */
export function warmMemory(dir: string, bytes: number): void {
  const path = join(dir, 'warm');
  const fd = openSync(path, 'wx');
  try {
    for (let done = 0; done < bytes; done += CHUNK.length) writeSync(fd, CHUNK);
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}
