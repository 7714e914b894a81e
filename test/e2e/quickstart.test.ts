// Goal: the README's first command does what it says. Method: run what it runs after building, on a free port.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { listProcesses } from './process-list.ts';

const QUICKSTART = fileURLToPath(new URL('../../dist/quickstart/quickstart.js', import.meta.url));

async function freePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

test('the quick start runs the main job to its end and stops what it started', { timeout: 180_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-quickstart-'));
  try {
    const args = [QUICKSTART, '--exit', '--dir', join(dir, 'q'), '--port', String(await freePort())];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 170_000 });
    expect([status, stderr]).toEqual([0, '']);
    for (const text of [
      'DOING',
      'PASSWORD_ENCRYPTION',
      'COMPLETED',
      'ERROR 9047 (HY000): invalid password for backup',
      'deleted rows are back',
      'are stopped',
    ]) {
      expect(stdout).toContain(text);
    }
    expect(listProcesses().filter(({ command }) => command.includes(dir))).toEqual([]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
