// rclone at its defaults: the file as it lies, in an object store. It neither compresses nor encrypts it, and does not wait for
// the disk.
import { rmSync } from 'node:fs';
import type { ObjectStore } from '../object-store.ts';
import { settle } from '../settle.ts';
import { findProgram, type MayInstall, versionOf } from './find-program.ts';
import { shell } from './shell-tools.ts';
import type { BackedUp, BackupTool } from './tool.ts';

/** @param source is changed by nobody while it is copied */
export function rcloneInStore(source: string, of: MayInstall & { store: ObjectStore }): BackupTool | undefined {
  return findProgram('rclone', of) ? new RcloneTool(source, of.store) : undefined;
}

class RcloneTool implements BackupTool {
  readonly name = `rclone ${versionOf('rclone', 'version')}, neither compressed nor encrypted`;
  readonly fidelity = 'bytes';
  readonly #source: string;
  readonly #store: ObjectStore;
  readonly #env: Record<string, string>;

  constructor(source: string, store: ObjectStore) {
    this.#source = source;
    this.#store = store;
    this.#env = {
      RCLONE_CONFIG: '/dev/null',
      // It can not use one, and fails when the machine's environment names one.
      AWS_CA_BUNDLE: '',
      RCLONE_CONFIG_STORE_TYPE: 's3',
      RCLONE_CONFIG_STORE_PROVIDER: 'Other',
      RCLONE_CONFIG_STORE_ENDPOINT: store.endpoint,
      RCLONE_CONFIG_STORE_ACCESS_KEY_ID: store.access.accessId,
      RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: store.access.accessKey,
    };
  }

  get #object(): string {
    return `store:${this.#store.bucket}/rclone/app.db`;
  }

  async backUp(): Promise<BackedUp> {
    await this.#store.remove('rclone');
    const seconds = await shell(`rclone copyto --ignore-times '${this.#source}' '${this.#object}'`, this.#env);
    return { seconds, storedBytes: await this.#store.storedBytes('rclone') };
  }

  async restore(to: string): Promise<number> {
    const seconds = await shell(`rclone copyto '${this.#object}' '${to}'`, this.#env);
    settle(to);
    return seconds;
  }

  async discard(to: string): Promise<void> {
    rmSync(to);
  }
}
