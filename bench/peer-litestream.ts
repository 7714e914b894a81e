// Litestream 0.3.13 as a peer of the storm: the binary of the npm package that only `bench/` asks for, with its defaults
// (WAL pages every second, a snapshot when its position in the WAL is lost, no other).
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { filesBelow, type Peer, type RestoreOutcome, type Stored, type StormDatabase, storedBelow } from './peer.ts';
import { findLitestream, type MayInstall } from './tools/find-program.ts';

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

/** @returns undefined where Litestream can not be had */
export function litestreamPeer(dir: string, databases: readonly StormDatabase[], may: MayInstall): Peer | undefined {
  const binary = findLitestream(may);
  return binary === undefined ? undefined : new LitestreamPeer(binary, dir, databases);
}

class LitestreamPeer implements Peer {
  readonly name: string;
  readonly #binary: string;
  readonly #dir: string;
  readonly #databases: readonly StormDatabase[];
  readonly #config: string;
  #child: ChildProcess | undefined;

  constructor(binary: string, dir: string, databases: readonly StormDatabase[]) {
    const version = spawnSync(binary, ['version'], { encoding: 'utf8' }).stdout.trim();
    this.name = `Litestream ${version.replace(/^v/, '')}`;
    this.#binary = binary;
    this.#dir = dir;
    this.#databases = databases;
    this.#config = join(dir, 'litestream.json');
    // JSON is YAML.
    const dbs = databases.map(({ name, path }) => ({ path, replicas: [{ type: 'file', path: this.#replica(name) }] }));
    writeFileSync(this.#config, JSON.stringify({ dbs, logging: { level: 'warn' } }));
    for (const { name } of databases) mkdirSync(this.#replica(name), { recursive: true });
  }

  #replica(name: string): string {
    return join(this.#dir, 'replica', name);
  }

  async start(): Promise<number> {
    const startMs = Date.now();
    const before = this.#newest();
    this.#child = spawn(this.#binary, ['replicate', '-config', this.#config], { stdio: 'ignore' });
    for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS; waitedMs += POLL_MS) {
      await sleep(POLL_MS);
      const now = this.#newest();
      if (this.#databases.every(({ name }) => now.get(name)! > (before.get(name) ?? 0))) return Date.now() - startMs;
    }
    throw new Error('Litestream does not replicate every database');
  }

  /** When the newest object of each replica was written, ms; 0 for none. */
  #newest(): Map<string, number> {
    const newestOf = (dir: string) => Math.max(0, ...filesBelow(dir).map(({ changedMs }) => changedMs));
    return new Map(this.#databases.map(({ name }) => [name, newestOf(this.#replica(name))]));
  }

  async kill(): Promise<void> {
    if (!this.#child) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
    this.#child = undefined;
  }

  async loseMachine(): Promise<void> {
    await this.kill();
  }

  async restore({ path }: StormDatabase, to: string, atMs: number | undefined): Promise<RestoreOutcome> {
    const at = atMs === undefined ? [] : ['-timestamp', new Date(atMs).toISOString()];
    const args = ['restore', '-config', this.#config, '-o', to, ...at, path];
    return await new Promise((resolve) => {
      execFile(this.#binary, args, (error, stdout, stderr) => {
        resolve(error ? { kind: 'refused', because: (stderr || stdout || error.message).trim() } : { kind: 'done' });
      });
    });
  }

  stored(): Stored {
    return storedBelow(join(this.#dir, 'replica'), (path) => path.includes('/snapshots/'));
  }
}
