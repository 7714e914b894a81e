// Watches the segments of an archive grow, from outside the server. Each time one has grown it notes the size, waits with
// an fdatasync of its own on that file, and notes the time again. When that returns, every byte up to the noted size is on
// the disk, whatever the server believes: an upper bound of when those bytes became durable. (The extra fdatasync can only
// make the lag look longer.) The time before it is when the bytes were visible.
import { closeSync, type FSWatcher, fdatasyncSync, fstatSync, openSync, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';

const PIECE = /^piece_/;
const SEGMENT = /\.obarc$/;

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
  /** By object name, `<piece>/<segment>`. */
  readonly growths = new Map<string, Growth[]>();

  /** The archive must have its first piece. */
  constructor(archiveDir: string) {
    this.#archiveDir = archiveDir;
    for (const piece of readdirSync(archiveDir).filter((name) => PIECE.test(name))) {
      for (const segment of readdirSync(join(archiveDir, piece))) this.#look(piece, segment);
      const onChange = (_event: string, segment: string | null) => segment !== null && this.#look(piece, segment);
      this.#watchers.push(watch(join(archiveDir, piece), onChange));
    }
    if (this.#watchers.length === 0) throw new Error('the archive has no piece to watch');
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers) watcher.close();
    for (const fd of this.#open.values()) closeSync(fd);
  }

  #look(piece: string, segment: string): void {
    if (!SEGMENT.test(segment)) return;
    const name = `${piece}/${segment}`;
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
