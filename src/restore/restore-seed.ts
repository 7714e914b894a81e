// What a restore job must know to be done, again if need be, by another server process: kept as JSON in its row.
import { assert } from '../base/assert.ts';
import { hexOf } from '../base/bytes.ts';
import { type PieceRef, parsePieceDirectory, type SetRef } from '../format/layout.ts';
import type { CheckLevel } from '../model/check-level.ts';
import type { RestorePlan } from './plan-restore.ts';
import type { FoundRun } from './read-log.ts';
import type { FoundSet, FoundSources } from './read-sources.ts';
import { continues } from './restore-windows.ts';

/** One set as it was planned with. */
export interface SeedSet {
  ref: SetRef;
  /** Hex. */
  manifestSha256: string;
  /** Where it lies, counting in the destinations, the first to be read first; absent in a job of an earlier version. */
  places?: number[];
}

/** One round's part of the log. */
export interface SeedStretch {
  pieces: PieceRef[];
  /** The batch that the next stretch goes on from, its hash in hex; null for the last stretch. */
  until: { batchNo: number; batchHash: string } | null;
}

export interface RestoreSeed {
  owner: { clusterUuid: string; tenantId: number };
  /** The sets that blocks are taken from, oldest first; the last one is the chosen set. */
  data: { uris: string[]; sets: SeedSet[] };
  /** The log from the set to the restore point, by round; null when the set is the point. */
  log: { uris: string[]; stretches: SeedStretch[] } | null;
  /** What the log goes on from behind the restore point; absent in a job of an earlier version. */
  onward?: {
    /** The archive that leads on; '' for none. */
    uri: string;
    roundId: number;
    /** Of the finished file, recorded with its identity; null before. */
    built: { commitScn: string; checksum: string } | null;
  };
  workers: number;
  check: CheckLevel;
  /**
   * Identity of the finished file, recorded before it gets its final name: only with it may a later server take that
   * file for its own. null before.
   */
  fileId: string | null;
}

/** What of a plan has to be kept. */
export function seedOf(of: {
  sources: Pick<FoundSources, 'owner' | 'runs' | 'archiveUris' | 'pieceUris'>;
  plan: RestorePlan<FoundSet, FoundRun>;
  workers: number;
  check: CheckLevel;
  /** The uri to open a destination by. */
  uriOf: (shown: string) => string;
}): RestoreSeed {
  const { sources, plan, workers, check, uriOf } = of;
  const { owner, runs, archiveUris, pieceUris } = sources;
  const last = plan.stretches.at(-1)?.run ?? runs.find((run) => continues(run, plan.set));
  const leadingOn = pieceUris.get(last?.pieces.at(-1)?.name ?? '') ?? archiveUris.at(-1);
  const stretches = plan.stretches.map(({ pieces }, place) => {
    const base = plan.stretches[place + 1]?.run.base;
    const until = base ? { batchNo: base.batchNo, batchHash: hexOf(base.batchHash) } : null;
    return { pieces: pieces.flatMap(({ name }) => parsePieceDirectory(name) ?? []), until };
  });
  const dataUris = [...new Set(plan.sets.flatMap(({ uris }) => uris))];
  const sets = plan.sets.map(({ ref, manifestSha256, uris }) => {
    return { ref, manifestSha256, places: uris.map((uri) => dataUris.indexOf(uri)) };
  });
  return {
    owner: { clusterUuid: owner.clusterUuid, tenantId: owner.tenantId },
    data: { uris: dataUris.map(uriOf), sets },
    log: stretches.length > 0 ? { uris: archiveUris.map(uriOf), stretches } : null,
    onward: {
      uri: leadingOn === undefined ? '' : uriOf(leadingOn),
      roundId: last?.roundId ?? plan.set.roundId,
      built: null,
    },
    workers,
    check,
    fileId: null,
  };
}

export function encodeSeed(seed: RestoreSeed): string {
  return JSON.stringify(seed);
}

/** Reads back what `encodeSeed` wrote into our own store. */
export function decodeSeed(text: string): RestoreSeed {
  const seed = JSON.parse(text) as RestoreSeed & { log: { uri?: string } | null; data: { uri?: string } };
  // A job that an earlier version recorded has one archive and one data destination.
  if (seed.log?.uri !== undefined) seed.log.uris = [seed.log.uri];
  if (seed.data.uri !== undefined) seed.data.uris = [seed.data.uri];
  assert(Array.isArray(seed.data?.sets) && typeof seed.workers === 'number', 'a restore job has a seed');
  return seed;
}
