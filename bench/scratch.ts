// One temporary directory and the processes that work in it. Both are gone at the end, however the run ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './options.ts';

const TMPFS_MAGIC = 0x01021994;
const SIGNALED_EXIT_CODE = 130;

export class Scratch implements AsyncDisposable {
  readonly dir: string;
  readonly #children = new Set<ChildProcess>();
  #nextNo = 1;

  constructor(parent: string | undefined) {
    this.dir = mkdtempSync(join(parent ?? tmpdir(), 'holdfast-bench-'));
    const onSignal = () => {
      for (const child of this.#children) child.kill('SIGKILL');
      rmSync(this.dir, { recursive: true, force: true });
      process.exit(SIGNALED_EXIT_CODE);
    };
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  }

  /** True when the directory lies in memory: then no figure says anything about a disk. */
  get isInMemory(): boolean {
    return statfsSync(this.dir).type === TMPFS_MAGIC;
  }

  /** A new directory of this name and a number. */
  newDir(name: string): string {
    const dir = join(this.dir, `${name}-${this.#nextNo++}`);
    mkdirSync(dir);
    return dir;
  }

  /** Starts a Node.js process; its standard error is ours. */
  start(args: string[]): ChildProcess {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = [...this.#children].map((child) => once(child, 'exit'));
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(ended);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
