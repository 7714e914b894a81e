// Goal: the benchmarks run, on whatever is installed. What they measure is nobody's business here.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SECTIONS = ['backup', 'incremental', 'restore', 'archive', 'latency', 'tenants', 'sql'];

test('each section of the benchmarks runs and writes its figures', async () => {
  const results = mkdtempSync(join(tmpdir(), 'holdfast-bench-results-'));
  try {
    const args = ['--import', 'tsx', 'bench/run.ts', '--smoke', '--results', results];
    const { stderr } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
    expect(stderr).toBe('');
    const written = readdirSync(results).map((name) => JSON.parse(readFileSync(join(results, name), 'utf8')));
    expect(written.map(({ section }) => section).sort()).toEqual([...SECTIONS].sort());
    for (const { cases } of written) expect(Object.keys(cases).length).toBeGreaterThan(0);
  } finally {
    rmSync(results, { recursive: true, force: true });
  }
}, 300_000);
