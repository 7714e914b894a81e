import { describe, expect, test } from 'vitest';
import { type BackupSetManifest, SOURCES_MAX } from '../format/backup-set-manifest.ts';
import { type BackupSet, openersOf } from '../model/backup-job.ts';
import { chooseParent, parentObstacle, predecessorIds } from './choose-parent.ts';

const row = (backupSetId: number, patch: Partial<BackupSet> = {}): BackupSet =>
  ({ backupSetId, uri: 'file:///a', status: 'SUCCESS', fileStatus: 'AVAILABLE', ...patch }) as BackupSet;

const manifest = (of: { set?: object; engine?: string; mode?: string; sources?: number }): BackupSetManifest =>
  ({
    set: { backupSetId: 7, backupType: 'INC', prevFullBackupSetId: 3, prevIncBackupSetId: 6, ...of.set },
    engine: { engine: of.engine ?? 'sqlite' },
    encryptionMode: of.mode ?? 'NONE',
    sources: Array.from({ length: of.sources ?? 0 }),
  }) as unknown as BackupSetManifest;

describe('the set that an increment is built on', () => {
  test('is the newest whole one at the present destination', () => {
    const others = [
      row(5, { uri: 'file:///b' }),
      row(6, { status: 'FAILED' }),
      row(7, { status: 'DOING' }),
      row(8, { fileStatus: 'DELETING' }),
      row(9, { fileStatus: 'BROKEN' }),
    ];
    expect(chooseParent([row(1), row(4), ...others, row(2)], 'file:///a')?.backupSetId).toBe(4);
    expect(chooseParent(others, 'file:///a')).toBeUndefined();
    expect(chooseParent([], 'file:///a')).toBeUndefined();
  });

  test.each([
    [{}, false, undefined],
    [{ mode: 'PASSWORD_ENCRYPTION' }, true, undefined],
    [{ sources: SOURCES_MAX - 1 }, false, undefined],
    [{}, true, 'is not encrypted, and this backup is'],
    [{ mode: 'PASSWORD_ENCRYPTION' }, false, 'is encrypted, and the session has no password'],
    [{ mode: 'DUAL_MODE_ENCRYPTION' }, true, undefined],
    [{ engine: 'fake' }, false, 'is of the engine fake'],
    [{ sources: SOURCES_MAX }, false, `already takes blocks from ${SOURCES_MAX} sets`],
  ])('of %j with a password (%s): %s', (of, hasPassword, because) => {
    const expected = because === undefined ? undefined : `backup_set_7_inc ${because}`;
    expect(parentObstacle(manifest(of), { engine: 'sqlite', hasPassword, hasTenantKey: false })).toBe(expected);
  });

  test('opens by whatever opens what is built on it', () => {
    const modes = ['NONE', 'PASSWORD_ENCRYPTION', 'TRANSPARENT_ENCRYPTION', 'DUAL_MODE_ENCRYPTION'] as const;
    for (const mode of modes)
      for (const next of modes) {
        const because = parentObstacle(manifest({ mode }), { engine: 'sqlite', ...openersOf(next) });
        const [before, after] = [openersOf(mode), openersOf(next)];
        // Nothing plain below anything encrypted or the other way round; and no opener of the new set that fails below it.
        const isPlainBoth = mode === 'NONE' && next === 'NONE';
        const isOpenBelow = (!after.hasPassword || before.hasPassword) && (!after.hasTenantKey || before.hasTenantKey);
        const isUsable = isPlainBoth || (mode !== 'NONE' && next !== 'NONE' && isOpenBelow);
        expect(because === undefined, `${next} on ${mode}: ${because}`).toBe(isUsable);
      }
  });

  test('is named with the full set below it', () => {
    const ids = (set: object) => predecessorIds(manifest({ set }));
    expect(ids({})).toEqual({ prevFullBackupSetId: 3, prevIncBackupSetId: 7 });
    expect(ids({ backupType: 'FULL', prevFullBackupSetId: 0 })).toEqual({
      prevFullBackupSetId: 7,
      prevIncBackupSetId: 7,
    });
  });
});
