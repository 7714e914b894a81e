// When the log is looked at: soon after something was written to one that rests, and again until nothing comes.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WalWatch } from './capture-watch.ts';

/** Longer than all pauses together. */
const REST_MS = 1300;

let dir: string;
let path: string;
let looks = 0;
let faults: unknown[] = [];
let watch: WalWatch;

function open(of: { lagTargetMs?: number; onLook?: () => void } = {}): void {
  watch = new WalWatch({
    path,
    lagTargetMs: of.lagTargetMs ?? 120_000,
    look: () => {
      looks++;
      of.onLook?.();
      watch.looked();
    },
    onUnwatched: (error) => faults.push(error),
  });
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdfast-watch-'));
  path = join(dir, 'app.db');
  writeFileSync(`${path}-wal`, '');
  looks = 0;
  faults = [];
});

afterEach(() => {
  watch.close();
  rmSync(dir, { recursive: true, force: true });
});

async function untilRest(): Promise<number> {
  await sleep(REST_MS);
  return looks;
}

describe('WalWatch', () => {
  it('looks a few times and then rests', async () => {
    open();
    watch.start();
    const first = await untilRest();
    expect(first).toBeGreaterThan(3);
    expect(await untilRest()).toBe(first);
  });

  it('looks again when something is written, however often it has rested', async () => {
    open();
    watch.start();
    for (let time = 0; time < 3; time++) {
      const before = await untilRest();
      appendFileSync(`${path}-wal`, 'frame');
      await expect.poll(() => looks).toBeGreaterThan(before + 3);
    }
  });

  it('goes on looking while commits come, although nothing tells of them', async () => {
    open({ onLook: () => looks < 100 && watch.wake() });
    watch.start();
    await expect.poll(() => looks, { timeout: 10_000 }).toBeGreaterThan(100);
  });

  it('says so once when the log can not be watched, and still looks', async () => {
    rmSync(`${path}-wal`);
    open();
    watch.start();
    const first = await untilRest();
    expect(first).toBeGreaterThan(3);
    watch.start();
    expect(await untilRest()).toBeGreaterThan(first + 3);
    expect(faults).toHaveLength(1);
  });

  it('does not look any more when it is closed', async () => {
    open();
    watch.start();
    watch.close();
    const first = looks;
    appendFileSync(`${path}-wal`, 'frame');
    expect(await untilRest()).toBe(first);
  });
});
