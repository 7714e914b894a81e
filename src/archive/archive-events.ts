// What the event history tells of log archive. Each is called in the transaction that makes the change it tells of, and none
// for a batch.
import { fail, toResult } from '../base/errors.ts';
import type { ArchivePiece, ArchiveRound, RoundStatus } from '../model/archive-round.ts';
import type { NewEvent } from '../model/event.ts';
import type { ArchiveContext } from './archive-context.ts';

type Context = Pick<ArchiveContext, 'store' | 'clock'>;

/** What a statement asked for. */
export function recordSetting({ store, clock }: Context, event: string, facts: NewEvent['facts']): void {
  store.recordEvent(clock.nowNs(), { module: 'log_archive', event, facts });
}

/** @param of.from null for a round that is new */
export function recordRoundMove(
  { store, clock }: Context,
  { tenantId, destId, roundId }: Pick<ArchiveRound, 'tenantId' | 'destId' | 'roundId'>,
  { from, to, because }: { from: RoundStatus | null; to: RoundStatus; because: string },
): void {
  const result = to === 'INTERRUPTED' ? toResult(fail('LOG_ARCHIVE_INTERRUPTED', { because })) : 0;
  const ids = { tenant_id: tenantId, dest_id: destId, round_id: roundId };
  store.recordEvent(clock.nowNs(), {
    module: 'log_archive',
    event: 'change_status',
    facts: { ...ids, from: from ?? '', status: to, result },
    extraInfo: because,
  });
}

/** @param of.round as it was led before */
export function recordLeadChange(
  { store, clock }: Context,
  { round, destId, because }: { round: ArchiveRound; destId: number; because: string },
): void {
  const { tenantId, roundId } = round;
  const facts = { tenant_id: tenantId, round_id: roundId, dest_id: destId, former_dest_id: round.destId };
  store.recordEvent(clock.nowNs(), { module: 'log_archive', event: 'change_lead', facts, extraInfo: because });
}

export function recordPieceFrozen({ store, clock }: Context, piece: ArchivePiece): void {
  const { tenantId, roundId, pieceId, fileStatus, checkpointScn } = piece;
  const ids = { tenant_id: tenantId, round_id: roundId, piece_id: pieceId };
  const facts = { ...ids, file_status: fileStatus, checkpoint_scn: checkpointScn };
  store.recordEvent(clock.nowNs(), { module: 'log_archive', event: 'freeze_piece', facts });
}

/** @param round with the scn of the commit that repaired the gap before it */
export function recordGapRepaired({ store, clock }: Context, round: ArchiveRound): void {
  const { tenantId, roundId, baseRoundId, baseScn, repairedScn } = round;
  const base = { base_round_id: baseRoundId ?? 0, base_scn: baseScn ?? 0n };
  const facts = { tenant_id: tenantId, round_id: roundId, ...base, repaired_scn: repairedScn ?? 0n };
  store.recordEvent(clock.nowNs(), { module: 'log_archive', event: 'repair_gap', facts });
}

/** A destination began to refuse a tenant's log, or takes it again. @param of.because why; '' when it takes it again */
export function recordOutage(
  { store, clock }: Context,
  { tenantId, destId, roundId, checkpointScn }: ArchiveRound,
  of: { because: string; attempts: number; ms: number },
): void {
  const ids = { tenant_id: tenantId, dest_id: destId, round_id: roundId };
  const { because, attempts, ms } = of;
  const isOver = because === '';
  store.recordEvent(clock.nowNs(), {
    module: 'log_archive',
    event: isOver ? 'end_outage' : 'begin_outage',
    facts: { ...ids, checkpoint_scn: checkpointScn, ...(isOver ? { attempts, outage_ms: ms } : {}) },
    extraInfo: because,
  });
}
