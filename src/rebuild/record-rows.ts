// Puts what was found into the store, in one transaction: rows that are missing, and counters above every number that is
// taken, so that nothing that lies there is ever written over. Rows that the server here keeps are left as they are.

import { SYS_TENANT_ID } from '../base/limits.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import { isRoundRunning } from '../model/archive-round.ts';
import { backupSetDirectory } from '../model/backup-job.ts';
import { SCN_NONE, type Scn } from '../model/scn.ts';
import { keepAccess } from '../store/destination-access.ts';
import type { Store } from '../store/store.ts';
import type { Table } from '../store/table.ts';
import type { FoundRound, FoundRows } from './found-rows.ts';
import type { Source, SourceOwner } from './identify-sources.ts';
import type { RebuildReport, RowCounts } from './rebuild-service.ts';
import type { RebuildWarnings } from './rebuild-warnings.ts';

/** A tenant's own scns are not moved beyond this: a clock that ran so far ahead is not to be followed. */
const AHEAD_NS_MAX = 86_400_000_000_000n;

export interface Recording {
  store: Store;
  tenantId: number;
  owner: SourceOwner;
  sources: readonly Source[];
  rows: FoundRows;
  warnings: RebuildWarnings;
  nowNs: bigint;
  /** A statement of the cluster's administration named the sources. */
  isOfCluster: boolean;
}

/** Fields that tell whether a row is of the same thing as what was found, and not of another by the same number. */
const SET_IDENTITY = ['backupType', 'startNs', 'consistentScn'] as const;
const ROUND_IDENTITY = ['destId', 'startScn'] as const;
const PIECE_IDENTITY = ['destId', 'roundId', 'startScn'] as const;

/** To the caller's transaction. */
export function recordRows(recording: Recording): Omit<RebuildReport, 'warnings'> {
  const { store, tenantId } = recording;
  const tenant = store.tenants.get({ tenantId });
  const current = tenant && store.currentRound(tenantId);
  reserve(recording);
  const isOwnCluster = recording.owner.clusterUuid === store.cluster.uuid;
  // Rows that no tenant here writes are brought up to date: what lies there is all that is true of them.
  const recorder = new RowRecorder(recording, { isRefreshing: !isOwnCluster || tenant === undefined, current });
  const rounds = recorder.rounds();
  const pieces = recorder.pieces();
  const sets = recorder.sets();
  reportMissing(recording);
  if (isOwnCluster && tenant) raiseLastScn(recording, tenant.lastScn);
  return { tenantId, sets, rounds, pieces };
}

function reserve(recording: Recording): void {
  const { store, tenantId, owner, sources, rows } = recording;
  const { taken } = rows;
  store.raiseCounter(tenantId, 'backup_set', taken.backupSetId);
  store.raiseCounter(tenantId, 'round', taken.roundId);
  store.raiseCounter(tenantId, 'piece', taken.pieceId);
  for (const source of sources) {
    store.recordDest(tenantId, source);
    // Given to read with: one that writes there stays.
    const of = { isReplacing: false, isApproved: recording.isOfCluster };
    keepAccess(store, tenantId, source.destination.uri, of);
    keepOptions(store, tenantId, source);
  }
  if (store.tenants.get({ tenantId }) && owner.clusterUuid === store.cluster.uuid) return;
  // No new tenant gets the id under which somebody else's backups are shown.
  store.raiseCounter(SYS_TENANT_ID, 'tenant', tenantId + (tenantId % 2));
  const known = store.recordedSources.get({ tenantId });
  const timeZone = rows.timeZone ?? known?.timeZone ?? store.cluster.timeZone;
  store.recordedSources.remove({ tenantId });
  store.recordedSources.insert({
    tenantId,
    sourceClusterUuid: owner.clusterUuid,
    sourceClusterName: owner.clusterName,
    sourceTenantId: owner.tenantId,
    sourceTenantName: owner.tenantName,
    timeZone,
  });
}

/** How an object store is spoken to is known from the statement alone; a path of which something is known keeps that. */
function keepOptions(store: Store, tenantId: number, { destination, uri }: Source): void {
  const { scheme, options } = destination.uri;
  const [known] = store.destinations.find({ tenantId, uri });
  if (scheme === 'file' || !known || Object.keys(known.options).length > 0) return;
  store.changeDestination(tenantId, uri, { options: { ...options } });
}

class RowRecorder {
  readonly #of: Recording;
  readonly #isRefreshing: boolean;
  /** The newest round of a tenant that lives here. */
  readonly #current: ArchiveRound | undefined;
  /** Rounds that are other ones here: sets and pieces that go with them would seem to go with those. */
  readonly #otherRounds = new Set<number>();

  constructor(of: Recording, options: { isRefreshing: boolean; current: ArchiveRound | undefined }) {
    this.#of = of;
    this.#isRefreshing = options.isRefreshing;
    this.#current = options.current;
  }

  /** Rows of a running round, and of what seems to follow it, are its server's: rounds below it are recorded. */
  get #endRoundId(): number {
    const current = this.#current;
    return current && isRoundRunning(current.status) ? current.roundId : Number.POSITIVE_INFINITY;
  }

  rounds(): RowCounts {
    const { store, tenantId, rows, warnings } = this.#of;
    const counts = { found: rows.rounds.length, recorded: 0 };
    for (const round of rows.rounds) {
      const key = { tenantId, roundId: round.roundId };
      if (round.roundId < this.#endRoundId) {
        const isNew = this.#record(store.rounds, key, { ...this.#settled(round), tenantId }, ROUND_IDENTITY);
        if (isNew === undefined) {
          this.#otherRounds.add(round.roundId);
          warnings.leftOut(
            `round ${round.roundId} (${round.uri}) is not recorded: this tenant has another round ${round.roundId}`,
          );
        } else if (isNew) counts.recorded++;
      } else if (round.roundId > this.#endRoundId) {
        warnings.leftOut(
          `round ${round.roundId} (${round.uri}) is not recorded: the tenant's round ${this.#endRoundId} is running here; NOARCHIVELOG, then repeat`,
        );
      }
    }
    return counts;
  }

  pieces(): RowCounts {
    const { store, tenantId, rows, warnings } = this.#of;
    const counts = { found: rows.pieces.length, recorded: 0 };
    for (const piece of rows.pieces) {
      if (piece.roundId >= this.#endRoundId || this.#otherRounds.has(piece.roundId)) continue;
      const key = { tenantId, pieceId: piece.pieceId };
      const isNew = this.#record(store.pieces, key, { ...piece, tenantId }, PIECE_IDENTITY);
      if (isNew) counts.recorded++;
      else if (isNew === undefined)
        warnings.leftOut(
          `piece ${piece.pieceId} (${piece.uri}) is not recorded: this tenant has another piece ${piece.pieceId}`,
        );
    }
    return counts;
  }

  sets(): RowCounts {
    const { store, tenantId, rows, warnings } = this.#of;
    const counts = { found: rows.sets.length, recorded: 0 };
    for (const set of rows.sets) {
      const name = `${set.uri}/${backupSetDirectory(set.backupSetId, set.backupType)}`;
      if (this.#otherRounds.has(set.roundId)) {
        warnings.leftOut(`${name} is not recorded: its round ${set.roundId} is another one here`);
        continue;
      }
      const key = { tenantId, backupSetId: set.backupSetId };
      const isNew = this.#record(store.backupSets, key, { ...set, tenantId }, SET_IDENTITY);
      if (isNew) counts.recorded++;
      else if (isNew === undefined)
        warnings.leftOut(`${name} is not recorded: this tenant has another backup set ${set.backupSetId}`);
    }
    return counts;
  }

  /**
   * An interrupted round that a living tenant ends with would be gone on with, or repaired, by the archive here, which
   * has never held its log: it counts as stopped, and says why.
   */
  #settled(round: FoundRound): FoundRound {
    const { store, tenantId } = this.#of;
    const isLiving = store.tenants.get({ tenantId }) !== undefined;
    if (round.status !== 'INTERRUPTED' || !isLiving || round.roundId < (this.#current?.roundId ?? 0)) return round;
    return { ...round, status: 'STOP', comment: `INTERRUPTED: ${round.comment}` };
  }

  /** @returns true for a row that is new or was brought up to date, undefined when it stands for something else */
  #record<T extends object>(
    table: Table<T>,
    key: Partial<T>,
    row: T,
    identity: ReadonlyArray<keyof T>,
  ): boolean | undefined {
    const known = table.get(key);
    if (!known) {
      table.insert(row);
      return true;
    }
    if (identity.some((field) => known[field] !== row[field])) return undefined;
    const isSame = (Object.keys(row) as Array<keyof T>).every((field) => known[field] === row[field]);
    if (isSame || !this.#isRefreshing) return false;
    table.change(key, row);
    return true;
  }
}

/** Rows of these destinations that promise what is not there. */
function reportMissing({ store, tenantId, sources, rows, warnings }: Recording): void {
  for (const { uri, destKind } of sources) {
    if (destKind === 'backup_data') {
      for (const set of store.backupSets.find({ tenantId, uri, fileStatus: 'AVAILABLE' })) {
        if (rows.present.sets.has(set.backupSetId)) continue;
        const directory = backupSetDirectory(set.backupSetId, set.backupType);
        warnings.leftOut(
          `backup set ${set.backupSetId} is AVAILABLE by its row, but ${uri}/${directory} has no manifest`,
        );
      }
      continue;
    }
    for (const piece of store.pieces.find({ tenantId, uri, fileStatus: 'AVAILABLE' })) {
      // A piece that nothing was written to yet may be known by its row alone.
      if (rows.present.pieces.has(piece.pieceId) || piece.maxScn <= piece.startScn) continue;
      warnings.leftOut(`piece ${piece.pieceId} is AVAILABLE by its row, but nothing of it lies at ${uri}`);
    }
  }
}

/** Commits that are still to come get scns above everything that was found. */
function raiseLastScn({ store, tenantId, rows, nowNs, warnings }: Recording, lastScn: Scn): void {
  const scns = [
    ...rows.rounds.map(({ checkpointScn }) => checkpointScn),
    ...rows.pieces.map(({ maxScn }) => maxScn),
    ...rows.sets.map(({ minRestoreScn }) => minRestoreScn),
  ];
  const found = scns.reduce((max, scn) => (scn > max ? scn : max), SCN_NONE);
  if (found <= lastScn) return;
  if (found <= nowNs + AHEAD_NS_MAX) store.tenants.change({ tenantId }, { lastScn: found });
  else warnings.leftOut(`SCN ${found} was found, which lies in the future: the tenant's commits get smaller ones`);
}
