// Goal: copies of sets are made in the order in which they serve a restore, and deleted so that none is left that leans on one
// that has gone. Method: small worlds; random ones with locks, deleted step by step.
import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../test/proof/seeded-random.ts';
import { newCopy, nextCopy, type SetCopy, type SetCopyStatus } from './set-copy.ts';

type Kind = 'FULL' | 'INC';

/** Sets by id from 1 on, each increment in the chain of the full set before it. */
function setsOf(kinds: readonly Kind[]) {
  return kinds.map((backupType, index) => {
    const full = kinds.slice(0, index + 1).lastIndexOf('FULL') + 1;
    return { backupSetId: index + 1, backupType, prevFullBackupSetId: backupType === 'FULL' ? 0 : full };
  });
}

function copyOf(backupSetId: number, status: SetCopyStatus, destId = 1): SetCopy {
  const place = { destId, destNo: destId, uri: `file:///copy${destId}`, binding: 'OPTIONAL' as const };
  return { ...newCopy({ tenantId: 1002, backupSetId } as Parameters<typeof newCopy>[0], place), status };
}

const always = () => true;

describe('the next copy', () => {
  const sets = setsOf(['FULL', 'INC', 'FULL', 'INC']);

  test('is one of the newest chain, then of an older one, then a deletion, newest first', () => {
    const copies = [copyOf(1, 'DELETING'), copyOf(2, 'DELETING'), copyOf(3, 'WAITING'), copyOf(4, 'WAITING')];
    const order: number[] = [];
    for (let next = nextCopy(copies, sets, always); next; next = nextCopy(copies, sets, always)) {
      order.push(next.backupSetId);
      next.status = next.status === 'DELETING' ? 'DELETED' : 'AVAILABLE';
    }
    expect(order).toEqual([3, 4, 2, 1]);
  });

  test('is not a deletion of what a copy leans on that is locked there; elsewhere it is', () => {
    const copies = [copyOf(1, 'DELETING'), copyOf(2, 'DELETING'), copyOf(1, 'DELETING', 2)];
    const isDue = ({ backupSetId }: SetCopy) => backupSetId !== 2;
    expect(nextCopy(copies, sets, isDue)).toMatchObject({ backupSetId: 1, destId: 2 });
    expect(nextCopy(copies.slice(0, 2), sets, isDue)).toBeUndefined();
  });

  test('never leaves an increment without what it leans on, whatever is locked, and forgets nothing', () => {
    const seed = randomInt(2 ** 31);
    console.info(`seed ${seed}`);
    const random = new SeededRandom(seed);
    for (let round = 0; round < 200; round++) {
      const behind = Array.from({ length: random.below(9) }, (): Kind => (random.isIn(66) ? 'INC' : 'FULL'));
      const kinds: Kind[] = ['FULL', ...behind];
      const all = setsOf(kinds);
      const copies = all.map(({ backupSetId }) => copyOf(backupSetId, 'DELETING'));
      const locked = new Set(copies.filter(() => random.isIn(33)));
      const unlockOne = () => {
        for (const copy of [...locked].slice(0, 1)) locked.delete(copy);
      };
      while (copies.some(({ status }) => status !== 'DELETED')) {
        const next = nextCopy(copies, all, (copy) => !locked.has(copy));
        if (!next) {
          expect(locked.size, `${seed}: ${kinds.join()}`).toBeGreaterThan(0);
          unlockOne();
          continue;
        }
        next.status = 'DELETED';
        for (const { backupSetId, backupType, prevFullBackupSetId } of all) {
          if (backupType !== 'INC' || copies[backupSetId - 1]!.status === 'DELETED') continue;
          for (let id = prevFullBackupSetId; id < backupSetId; id++)
            expect(copies[id - 1]!.status, `${seed}: ${kinds.join()}`).toBe('DELETING');
        }
      }
    }
  });
});
