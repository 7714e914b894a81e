import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeFiles, type FileStamps, filesAtRest, isSettled, provesRest } from './files-at-rest.ts';
import { mayRest, type RestFacts } from './tenants-at-rest.ts';

const TIMING = { restAfterMs: 1000, attachedCalm: 10, restAfterCrowdedMs: 50 };
const IDLE: RestFacts = { isOwn: true, isInUse: false, pendingCommits: 0, comment: '', idleMs: 1000, attached: 1 };

describe('whether a capture may rest', () => {
  test('it may when nobody has used the tenant for long enough', () => {
    expect(mayRest(IDLE, TIMING)).toBe(true);
    expect(mayRest({ ...IDLE, idleMs: 999 }, TIMING)).toBe(false);
  });

  test.each([
    ['an application may open the file', { isOwn: false }],
    ['a session has it open', { isInUse: true }],
    ['commits wait to be archived', { pendingCommits: 1 }],
    ['something is wrong', { comment: 'the destination is away' }],
  ])('it may not while %s', (_, over) => {
    expect(mayRest({ ...IDLE, idleMs: 1e9, attached: 1e6, ...over }, TIMING)).toBe(false);
  });

  test('it may sooner while many are attached', () => {
    expect(mayRest({ ...IDLE, idleMs: 50, attached: 11 }, TIMING)).toBe(true);
    expect(mayRest({ ...IDLE, idleMs: 49, attached: 11 }, TIMING)).toBe(false);
    expect(mayRest({ ...IDLE, idleMs: 50, attached: 10 }, TIMING)).toBe(false);
  });
});

describe('the files of a tenant at rest', () => {
  const stamps: FileStamps = { dev: 1n, ino: 2n, size: 4096n, mtimeNs: 10n, ctimeNs: 20n };
  const wal: FileStamps = { dev: 1n, ino: 3n, size: 8192n, mtimeNs: 30n, ctimeNs: 25n };

  test('differ when anything of either file differs', () => {
    const texts = new Set([describeFiles(stamps, wal).text]);
    const keys = Object.keys(stamps) as (keyof FileStamps)[];
    for (const key of keys) {
      texts.add(describeFiles({ ...stamps, [key]: stamps[key] + 1n }, wal).text);
      texts.add(describeFiles(stamps, { ...wal, [key]: wal[key] + 1n }).text);
    }
    texts.add(describeFiles(stamps, undefined).text);
    expect(texts.size).toBe(2 + 2 * keys.length);
  });

  test('are the same with an empty log and with none', () => {
    expect(describeFiles(stamps, { ...wal, size: 0n })).toEqual(describeFiles(stamps, undefined));
  });

  test('count as changed when the latest of both was', () => {
    expect(describeFiles(stamps, wal).changedNs).toBe(30n);
    expect(describeFiles(stamps, undefined).changedNs).toBe(20n);
  });

  test('prove nothing while a change could still have the same time, or the clock stands before it', () => {
    const files = describeFiles(stamps, undefined);
    expect(isSettled(files, files.changedNs + 1_000_000_000n)).toBe(true);
    expect(isSettled(files, files.changedNs + 1_000_000n)).toBe(false);
    expect(isSettled(files, 0n)).toBe(false);
  });

  test('prove that nobody committed only when both looks were settled and show the same', () => {
    const files = describeFiles(stamps, wal);
    const settled = { files, atNs: files.changedNs + 1_000_000_000n };
    const young = { files, atNs: files.changedNs + 1_000_000n };
    const other = { files: describeFiles(stamps, { ...wal, mtimeNs: 31n }), atNs: settled.atNs };
    expect(provesRest(settled, settled)).toBe(true);
    // A commit right behind the first look may overwrite a log that begins anew, with the same size and times.
    expect(provesRest(young, settled)).toBe(false);
    expect(provesRest(settled, young)).toBe(false);
    expect(provesRest(settled, other)).toBe(false);
  });

  test('are looked at on the disk, and a file that was touched is another', () => {
    const directory = mkdtempSync(join(tmpdir(), 'files-at-rest-'));
    try {
      const path = join(directory, 'data.db');
      expect(filesAtRest(path)).toBeUndefined();
      writeFileSync(path, 'pages');
      const before = filesAtRest(path)!;
      expect(filesAtRest(path)).toEqual(before);
      utimesSync(path, 1, 1);
      expect(filesAtRest(path)!.text).not.toBe(before.text);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
