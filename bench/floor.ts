// What the machine itself can do, right now, in the same directory: without it no other figure can be read.
import { closeSync, fdatasyncSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Spread, spread } from './statistics.ts';

const COPY_BYTES = 1_000_000;
const SYNCS = 200;
const SYNC_BYTES = 8_192;
const SYNC_PAUSE_MS = 3;

/** Reads a file and writes it elsewhere, in one process, with an fsync at the end. @returns MB/s */
export function copyFloor(path: string, dir: string): number {
  const target = join(dir, 'floor.copy');
  const [from, to] = [openSync(path, 'r'), openSync(target, 'w')];
  const buffer = Buffer.allocUnsafeSlow(COPY_BYTES);
  const startNs = process.hrtime.bigint();
  let bytes = 0;
  for (let count = readSync(from, buffer); count > 0; count = readSync(from, buffer)) {
    writeSync(to, buffer, 0, count);
    bytes += count;
  }
  fsyncSync(to);
  const seconds = Number(process.hrtime.bigint() - startNs) / 1e9;
  closeSync(from);
  closeSync(to);
  rmSync(target);
  return bytes / 1e6 / seconds;
}

/** Appends 8 KiB and waits for the disk, again and again. @returns milliseconds of the write and fdatasync */
export async function syncFloor(dir: string): Promise<Spread> {
  const path = join(dir, 'floor.sync');
  const fd = openSync(path, 'a');
  const bytes = Buffer.alloc(SYNC_BYTES, 7);
  const waits: number[] = [];
  for (let i = 0; i < SYNCS; i++) {
    const startNs = process.hrtime.bigint();
    writeSync(fd, bytes);
    fdatasyncSync(fd);
    waits.push(Number(process.hrtime.bigint() - startNs) / 1e6);
    await sleep(SYNC_PAUSE_MS);
  }
  closeSync(fd);
  rmSync(path);
  return spread(waits);
}
