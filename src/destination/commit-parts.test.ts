// Goal: parts of a commit count only as the log joins them.
import { expect, it } from 'vitest';
import type { LogCommit } from '../format/log-batch-table.ts';
import { toScn } from '../model/scn.ts';
import { CommitParts, type JoinedBatch } from './commit-parts.ts';

/** A batch of commits: those whose scn is negative are not complete. */
function batch(batchNo: number, scns: readonly number[], over: Partial<JoinedBatch['header']> = {}): JoinedBatch {
  const commits: LogCommit[] = scns.map((scn) => {
    const shape = { databasePages: 1, checksum: 0n, firstImage: 0, imageCount: 0 };
    return { ...shape, scn: toScn(BigInt(Math.abs(scn))), isComplete: scn > 0 };
  });
  return { object: 'segment', header: { roundId: 1, batchNo, isContinued: false, ...over }, table: { commits } };
}

it('keeps what a batch leaves open for the batch that goes on with it', () => {
  const parts = new CommitParts<string>(toScn(0n));
  parts.join(batch(1, [1, -2]));
  parts.add('a');
  parts.join(batch(2, [2], { isContinued: true }));
  parts.add('b');
  expect(parts.take()).toEqual(['a', 'b']);
  expect(parts.take()).toEqual([]);
});

it.each([
  ['was begun anew', {}],
  ['belongs to another round', { roundId: 2 }],
])('forgets the parts of a commit that %s', (_, over) => {
  const parts = new CommitParts<string>(toScn(0n));
  parts.join(batch(1, [-2]));
  parts.add('a');
  parts.join(batch(2, [2], over));
  expect(parts.take()).toEqual([]);
});

it.each([
  ['another commit than the open one', [-2], 1, [3]],
  ['a commit of which nothing is open', [2], 1, [3]],
  ['a commit of another round', [-2], 2, [2]],
  ['no commit at all', [-2], 1, []],
])('refuses to go on with %s', (_, before, roundId, after) => {
  const parts = new CommitParts<string>(toScn(0n));
  parts.join(batch(1, before));
  expect(() => parts.join(batch(2, after, { isContinued: true, roundId }))).toThrow(
    /segment.*batch 2 does not go on with the commit that the batch before left open/,
  );
});

it('does not miss the beginning of a commit that is not wanted', () => {
  const parts = new CommitParts<string>(toScn(5n));
  parts.join(batch(7, [5, 6], { isContinued: true }));
  expect(() => new CommitParts(toScn(4n)).join(batch(7, [5, 6], { isContinued: true }))).toThrow(/does not go on/);
});
