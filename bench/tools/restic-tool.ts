// restic at its defaults, with a repository in a local directory or in an object store.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ObjectStore } from '../object-store.ts';
import { bytesBelow } from '../peer.ts';
import { settle } from '../settle.ts';
import { findProgram, type MayInstall, versionOf } from './find-program.ts';
import { shell } from './shell-tools.ts';
import type { BackedUp, BackupTool } from './tool.ts';

interface Repository {
  /** Where it is, as restic is told. */
  env: Record<string, string>;
  storedBytes(): Promise<number>;
  remove(): Promise<void>;
}

/** @param dir its own; `source` may be changed between two backups, by nobody meanwhile */
export function resticTool(source: string, dir: string, may: MayInstall): BackupTool | undefined {
  const path = join(dir, 'repository');
  return found(source, dir, may, {
    env: { RESTIC_REPOSITORY: path },
    storedBytes: async () => bytesBelow(path),
    remove: async () => rmSync(path, { recursive: true, force: true }),
  });
}

/** @param dir for its cache */
export function resticInStore(source: string, dir: string, of: MayInstall & { store: ObjectStore }) {
  const { store } = of;
  return found(source, dir, of, {
    env: { RESTIC_REPOSITORY: `s3:${store.endpoint}/${store.bucket}/restic`, ...store.env },
    storedBytes: () => store.storedBytes('restic'),
    remove: () => store.remove('restic'),
  });
}

function found(source: string, dir: string, may: MayInstall, repository: Repository): BackupTool | undefined {
  return findProgram('restic', may) ? new ResticTool(source, dir, repository) : undefined;
}

class ResticTool implements BackupTool {
  readonly name = `restic ${versionOf('restic', 'version')}`;
  readonly fidelity = 'bytes';
  readonly #source: string;
  readonly #repository: Repository;
  readonly #cache: string;
  readonly #env: Record<string, string>;

  constructor(source: string, dir: string, repository: Repository) {
    this.#source = source;
    this.#repository = repository;
    this.#cache = join(dir, 'cache');
    this.#env = {
      ...repository.env,
      RESTIC_PASSWORD: 'a password of the benchmark',
      RESTIC_CACHE_DIR: this.#cache,
    };
  }

  async backUp(): Promise<BackedUp> {
    await this.#repository.remove();
    rmSync(this.#cache, { recursive: true, force: true });
    await shell('restic init', this.#env);
    return await this.backUpAgain();
  }

  async backUpAgain(): Promise<BackedUp> {
    const before = await this.#repository.storedBytes();
    const seconds = await shell(`restic backup --quiet '${this.#source}'`, this.#env);
    return { seconds, storedBytes: (await this.#repository.storedBytes()) - before };
  }

  async restore(to: string): Promise<number> {
    const target = `${to}.restic`;
    mkdirSync(target);
    const seconds = await shell(`restic restore latest --target '${target}'`, this.#env);
    await shell(`mv '${target}${this.#source}' '${to}'`);
    rmSync(target, { recursive: true });
    settle(to);
    return seconds;
  }

  async discard(to: string): Promise<void> {
    rmSync(to);
  }
}
