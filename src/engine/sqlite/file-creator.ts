// Makes database files in one child process that lives on for a moment: whoever creates a thousand tenants does not wait
// for a thousand processes. Only making shares one: it closes what it has opened, which judging a file does not.
import { ChannelClosed, type Child, forkChild } from '../../base/child-process.ts';
import { fail } from '../../base/errors.ts';
import type { EngineFacts } from '../engine-driver.ts';
import { guardHost } from '../host-guard.ts';

/** How long the process is kept for the next file. */
const IDLE_MS = 5000;

/** A process that makes and judges database files. It must be killed: on the way out Node would close what is open there. */
export function forkFileHost(): Child {
  const child = forkChild('./file-host', import.meta.url, {});
  guardHost(child);
  return child;
}

export class FileCreator implements AsyncDisposable {
  #child: Child | undefined;
  #running = 0;
  #idle: NodeJS.Timeout | undefined;

  /** @throws ENTRY_EXISTS, OUT_OF_DISK, ENGINE; HOST_LOST when the process died */
  async create(location: string): Promise<EngineFacts> {
    clearTimeout(this.#idle);
    const child = this.#child ?? this.#fork();
    this.#running++;
    try {
      return await child.call<EngineFacts>('create', { location });
    } catch (error) {
      if (!(error instanceof ChannelClosed)) throw error;
      throw fail('HOST_LOST', { because: error.message }, { cause: error });
    } finally {
      this.#running--;
      if (this.#running === 0) this.#idle = setTimeout(() => this.#end(), IDLE_MS).unref();
    }
  }

  #end(): Child | undefined {
    clearTimeout(this.#idle);
    const child = this.#child;
    this.#child = undefined;
    child?.kill();
    return child;
  }

  #fork(): Child {
    const child = forkFileHost();
    this.#child = child;
    void child.exited.then(() => {
      if (this.#child === child) this.#child = undefined;
    });
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()?.exited;
  }
}
