// restic with a repository in a local directory, at its defaults.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bytesBelow } from '../peer.ts';
import { settle } from '../settle.ts';
import { findProgram, type MayInstall, versionOf } from './find-program.ts';
import { shell } from './shell-tools.ts';
import type { BackedUp, BackupTool } from './tool.ts';

/** @param dir its own; `source` may be changed between two backups, by nobody meanwhile */
export function resticTool(source: string, dir: string, may: MayInstall): BackupTool | undefined {
  return findProgram('restic', may) ? new ResticTool(source, dir) : undefined;
}

class ResticTool implements BackupTool {
  readonly name = `restic ${versionOf('restic', 'version')}`;
  readonly fidelity = 'bytes';
  readonly #source: string;
  readonly #repository: string;
  readonly #env: Record<string, string>;

  constructor(source: string, dir: string) {
    this.#source = source;
    this.#repository = join(dir, 'repository');
    const RESTIC_CACHE_DIR = join(dir, 'cache');
    this.#env = {
      RESTIC_REPOSITORY: this.#repository,
      RESTIC_PASSWORD: 'a password of the benchmark',
      RESTIC_CACHE_DIR,
    };
  }

  async backUp(): Promise<BackedUp> {
    rmSync(this.#repository, { recursive: true, force: true });
    await shell('restic init', this.#env);
    return await this.backUpAgain();
  }

  async backUpAgain(): Promise<BackedUp> {
    const before = bytesBelow(this.#repository);
    const seconds = await shell(`restic backup --quiet '${this.#source}'`, this.#env);
    return { seconds, storedBytes: bytesBelow(this.#repository) - before };
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
