// The file that a restore writes into: pages at their places, several processes at once, each page by one of them.
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { assert } from '../base/assert.ts';
import { fail, HoldfastError } from '../base/errors.ts';

export interface TargetFacts {
  path: string;
  /** Identity of the file that the restore has made. */
  device: bigint;
  inode: bigint;
  pageSize: number;
  pageCount: number;
}

/** The expected error for a failed operation on the target. */
export function targetFailure(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (error instanceof HoldfastError || typeof code !== 'string') return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') return fail('OUT_OF_DISK', { what: path }, { cause: error });
  if (code === 'EEXIST') return fail('ENTRY_EXISTS', { what: path }, { cause: error });
  return fail('ENGINE', { message: `can not write '${path}': ${code}` }, { cause: error });
}

export class PageTarget {
  readonly #facts: TargetFacts;
  readonly #fd: number;

  constructor(facts: TargetFacts) {
    this.#facts = facts;
    try {
      this.#fd = openSync(facts.path, 'r+');
    } catch (error) {
      throw targetFailure(error, facts.path);
    }
    const { dev, ino } = fstatSync(this.#fd, { bigint: true });
    if (dev === facts.device && ino === facts.inode) return;
    closeSync(this.#fd);
    throw fail('ENGINE', { message: `can not write '${facts.path}': it was replaced` });
  }

  /** Writes whole pages one after another from page `first` on. */
  write(first: number, pages: Uint8Array): void {
    const { path, pageSize, pageCount } = this.#facts;
    const count = pages.length / pageSize;
    assert(Number.isInteger(count) && first >= 1 && first + count - 1 <= pageCount, 'the pages lie in the target');
    let done = 0;
    try {
      while (done < pages.length)
        done += writeSync(this.#fd, pages, done, pages.length - done, (first - 1) * pageSize + done);
    } catch (error) {
      throw targetFailure(error, path);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
