// A virtual machine gives memory that nobody uses back to its host, and taking it again costs ten times as much as using
// it: whoever worked right behind another that had freed much would look faster. So much is taken and freed before each turn.
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow } from './peer.ts';

const CHUNK = Buffer.alloc(1 << 20, 1);
const CHUNK_READ = Buffer.alloc(1 << 20);

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

/** Reads the files below a directory that will be read: the machine forgets what nobody has read for a minute. */
export function warmFiles(dir: string, isRead: (path: string) => boolean): void {
  for (const { path } of filesBelow(dir).filter((file) => isRead(file.path))) {
    const fd = openSync(path, 'r');
    try {
      while (readSync(fd, CHUNK_READ) > 0);
    } finally {
      closeSync(fd);
    }
  }
}
