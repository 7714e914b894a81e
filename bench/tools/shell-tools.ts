// What people do by hand. None of these waits for the disk; what they left in memory is stored between two runs.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { secondsSince } from '../elapsed.ts';
import { settle } from '../settle.ts';
import { findProgram, type MayInstall, versionOf } from './find-program.ts';
import type { BackedUp, BackupTool, Fidelity } from './tool.ts';

/** Runs a shell command. @returns seconds. @throws Error with what it said */
export async function shell(command: string, env: Record<string, string> = {}): Promise<number> {
  const startNs = process.hrtime.bigint();
  const options = { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] as ('ignore' | 'pipe')[] };
  const child = spawn('bash', ['-o', 'pipefail', '-c', command], options);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ended with code ${String(code)}: ${said.trim()}`);
  return secondsSince(startNs);
}

/** A backup that is one file. */
class ShellTool implements BackupTool {
  readonly name: string;
  readonly fidelity: Fidelity;
  readonly #target: string;
  readonly #backUp: string;
  readonly #restore: (to: string) => string;
  readonly #further: readonly string[];

  constructor(of: {
    name: string;
    fidelity: Fidelity;
    target: string;
    /** Other files that a run leaves. */
    further?: readonly string[];
    backUp: string;
    restore: (to: string) => string;
  }) {
    this.name = of.name;
    this.fidelity = of.fidelity;
    this.#target = of.target;
    this.#further = of.further ?? [];
    this.#backUp = of.backUp;
    this.#restore = of.restore;
  }

  async backUp(): Promise<BackedUp> {
    for (const path of [this.#target, ...this.#further]) rmSync(path, { force: true });
    const seconds = await shell(this.#backUp);
    settle(this.#target);
    return { seconds, storedBytes: statSync(this.#target).size };
  }

  async restore(to: string): Promise<number> {
    const seconds = await shell(this.#restore(to));
    settle(to);
    return seconds;
  }

  async discard(to: string): Promise<void> {
    rmSync(to);
  }
}

/** `sqlite3 .backup`, with and without what makes a file small and secret; and the latter alone, which no writer survives. */
export function shellTools(source: string, dir: string, may: MayInstall): BackupTool[] {
  const [sqlite3, zstd, age] = ['sqlite3', 'zstd', 'age'].map((program) => findProgram(program, may));
  const tools: BackupTool[] = [];
  const copy = join(dir, 'copy.db');
  const copying = `sqlite3 '${source}' ".backup '${copy}'"`;
  if (sqlite3) {
    const name = `sqlite3 .backup (${versionOf('sqlite3', '--version')})`;
    const restore = (to: string) => `cp '${copy}' '${to}'`;
    tools.push(new ShellTool({ name, fidelity: 'pages', target: copy, backUp: copying, restore }));
  }
  if (!zstd || !age) return tools;
  const key = join(dir, 'age.key');
  execFileSync('age-keygen', ['-o', key], { stdio: 'ignore' });
  const recipient = /age1\w+/.exec(readFileSync(key, 'latin1'))![0];
  const sealing = (path: string, target: string) => `zstd -1 -T2 -q -c '${path}' | age -r ${recipient} -o '${target}'`;
  const opening = (target: string) => (to: string) => `age -d -i '${key}' '${target}' | zstd -d -q -o '${to}'`;
  const versions = `${versionOf('zstd', '--version')}, ${versionOf('age', '--version')}`;
  const unsafe = join(dir, 'unsafe.zst.age');
  tools.push(
    new ShellTool({
      ...{ name: `zstd -1 -T2 | age (${versions}), not consistent`, fidelity: 'bytes' },
      ...{ target: unsafe, backUp: sealing(source, unsafe), restore: opening(unsafe) },
    }),
  );
  if (!sqlite3) return tools;
  const [safe, between] = [join(dir, 'safe.zst.age'), join(dir, 'between.db')];
  tools.push(
    new ShellTool({
      ...{ name: '.backup, then zstd | age', fidelity: 'pages', target: safe, further: [between] },
      backUp: `sqlite3 '${source}' ".backup '${between}'" && ${sealing(between, safe)}`,
      restore: opening(safe),
    }),
  );
  return tools;
}
