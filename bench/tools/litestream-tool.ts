// Litestream's first snapshot of a database, and the restore of it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { secondsSince } from '../elapsed.ts';
import { bytesBelow, filesBelow } from '../peer.ts';
import { settle } from '../settle.ts';
import { findLitestream, type MayInstall } from './find-program.ts';
import { shell } from './shell-tools.ts';
import type { BackedUp, BackupTool } from './tool.ts';

const POLL_MS = 5;
const TIMEOUT_MS = 600_000;

/** @param source is copied: Litestream makes tables of its own in what it replicates */
export function litestreamTool(source: string, dir: string, may: MayInstall): BackupTool | undefined {
  const binary = findLitestream(may);
  return binary === undefined ? undefined : new LitestreamTool(binary, source, dir);
}

/** Waits until the first snapshot below `replica` has its name. */
export async function untilSnapshot(child: ChildProcess, replica: string): Promise<void> {
  for (const startMs = Date.now(); !hasSnapshot(replica); await sleep(POLL_MS))
    if (child.exitCode !== null || Date.now() - startMs > TIMEOUT_MS) throw new Error('Litestream made no snapshot');
}

function hasSnapshot(replica: string): boolean {
  try {
    return filesBelow(replica).some(({ path }) => path.endsWith('.snapshot.lz4'));
  } catch {
    // The directory is not there yet.
    return false;
  }
}

class LitestreamTool implements BackupTool {
  readonly name: string;
  readonly fidelity = 'rows';
  readonly #binary: string;
  readonly #database: string;
  readonly #replica: string;
  readonly #config: string;

  constructor(binary: string, source: string, dir: string) {
    const version = spawnSync(binary, ['version'], { encoding: 'utf8' }).stdout.trim();
    this.name = `Litestream ${version.replace(/^v/, '')}`;
    this.#binary = binary;
    this.#database = join(dir, 'app.db');
    this.#replica = join(dir, 'replica');
    this.#config = join(dir, 'litestream.json');
    copyFileSync(source, this.#database);
    settle(this.#database);
    // JSON is YAML.
    const dbs = [{ path: this.#database, replicas: [{ type: 'file', path: this.#replica }] }];
    writeFileSync(this.#config, JSON.stringify({ dbs, logging: { level: 'warn' } }));
  }

  /** From the start of the program until the snapshot has its name. */
  async backUp(): Promise<BackedUp> {
    for (const path of [this.#replica, join(this.#database, '..', '.app.db-litestream')])
      rmSync(path, { recursive: true, force: true });
    const startNs = process.hrtime.bigint();
    const child = spawn(this.#binary, ['replicate', '-config', this.#config], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    await untilSnapshot(child, this.#replica);
    const seconds = secondsSince(startNs);
    child.kill('SIGTERM');
    await ended;
    return { seconds, storedBytes: bytesBelow(this.#replica) };
  }

  async restore(to: string): Promise<number> {
    const seconds = await shell(`'${this.#binary}' restore -config '${this.#config}' -o '${to}' '${this.#database}'`);
    settle(to);
    return seconds;
  }

  async discard(to: string): Promise<void> {
    rmSync(to);
  }
}
