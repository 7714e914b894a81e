// What was left in memory is stored, so that who is measured next does not wait for it.
import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Waits until a file is on the disk. */
export function settle(path: string): void {
  const fd = openSync(path, 'r+');
  fsyncSync(fd);
  closeSync(fd);
}
