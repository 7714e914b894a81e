// Watches the segments of an archive grow, from outside the server. Each time one has grown it notes the size, waits with
// an fdatasync of its own on that file, and notes the time again. When that returns, every byte up to the noted size is on
// the disk, whatever the server believes: an upper bound of when those bytes became durable. (The extra fdatasync can only
// make the lag look longer.) The time before it is when the bytes were visible.
import { closeSync, type FSWatcher, fdatasyncSync, fstatSync, openSync, readdirSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseObjectName } from '../src/format/layout.ts';

const isSegment = (name: string): boolean => parseObjectName(name)?.kind === 'segment';

/** Everything up to `sizeBytes` of a segment was visible and durable no later than at these times (monotonic ns). */
export interface Growth {
  sizeBytes: number;
  visibleNs: bigint;
  durableNs: bigint;
}

export class SegmentWatch implements Disposable {
  readonly #archiveDir: string;
  readonly #watchers: FSWatcher[] = [];
  readonly #open = new Map<string, number>();
  /** By object name. */
  readonly growths = new Map<string, Growth[]>();

  /** The archive must have its first segment. */
  constructor(archiveDir: string) {
    this.#archiveDir = archiveDir;
    const names = readdirSync(archiveDir, { recursive: true, encoding: 'utf8' }).filter((name) => isSegment(name));
    for (const directory of new Set(names.map((name) => dirname(name)))) {
      const onChange = (_event: string, file: string | null) => file !== null && this.#look(`${directory}/${file}`);
      this.#watchers.push(watch(join(archiveDir, directory), onChange));
    }
    for (const name of names) this.#look(name);
    if (this.#watchers.length === 0) throw new Error('the archive has no segment to watch');
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers) watcher.close();
    for (const fd of this.#open.values()) closeSync(fd);
  }

  #look(name: string): void {
    if (!isSegment(name)) return;
    const fd = this.#open.get(name) ?? openSync(join(this.#archiveDir, name), 'r+');
    this.#open.set(name, fd);
    const growths = this.growths.get(name) ?? [];
    this.growths.set(name, growths);
    const visibleNs = process.hrtime.bigint();
    const { size: sizeBytes } = fstatSync(fd);
    if (sizeBytes <= (growths.at(-1)?.sizeBytes ?? 0)) return;
    fdatasyncSync(fd);
    growths.push({ sizeBytes, visibleNs, durableNs: process.hrtime.bigint() });
  }
}
