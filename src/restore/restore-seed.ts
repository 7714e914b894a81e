// What a restore job must know to be done, again if need be, by another server process: kept as JSON in its row.
import { assert } from '../base/assert.ts';
import type { PieceRef, SetRef } from '../format/layout.ts';

export interface RestoreSeed {
  owner: { clusterUuid: string; tenantId: number };
  /** The set: where it lies and which manifest was planned with. */
  data: { uri: string; ref: SetRef; manifestSha256: string };
  /** The log from the set to the restore point; null when the set is the point. */
  log: { uri: string; pieces: PieceRef[] } | null;
  workers: number;
  /**
   * Identity of the finished file, recorded before it gets its final name: only with it may a later server take that
   * file for its own. null before.
   */
  fileId: string | null;
}

export function encodeSeed(seed: RestoreSeed): string {
  return JSON.stringify(seed);
}

/** Reads back what `encodeSeed` wrote into our own store. */
export function decodeSeed(text: string): RestoreSeed {
  const seed = JSON.parse(text) as RestoreSeed;
  assert(typeof seed.data?.uri === 'string' && typeof seed.workers === 'number', 'a restore job has a seed');
  return seed;
}
