// What to do next for a tenant's archive: the wanted condition compared with the round, one step at a time. Pure.
import type { DestState, RoundStatus } from '../model/archive-round.ts';

/** Everything the decision depends on. */
export interface RoundFacts {
  /** Of the newest round; null when there was none. */
  status: RoundStatus | null;
  isArchiveMode: boolean;
  hasDest: boolean;
  destState: DestState;
  /** The tenant's status is NORMAL. */
  isTenantNormal: boolean;
  /** A capture is attached. */
  isAttached: boolean;
  /** The log cannot be continued. */
  hasGap: boolean;
  /** `gap_repair` = auto: another round follows one that was interrupted. */
  isRepaired: boolean;
  /** Nobody has used the tenant for a while: its capture need not stay attached. */
  isRestDue: boolean;
  /** The leading destination takes nothing, and a copy has everything that was acknowledged. */
  isLeadDue: boolean;
}

/**
 * - stay: nothing until something changes.
 * - open: a new round, PREPARE.
 * - begin: choose the round's start and write it to the destination, then BEGINNING.
 * - attach: find where the log stands, attach the capture, then DOING (or stay there after a restart).
 * - rest: let go of the capture of a tenant that nobody uses; still DOING, and the next use attaches it again.
 * - lead: let go of the capture, and make a copy the leading destination; still DOING, and attached there next.
 * - interrupt: let go of the capture, INTERRUPTED.
 * - replace: freeze the interrupted round's piece and write its end; then a new round, PREPARE, that repairs the gap.
 * - defer, pause: SUSPENDING; let go of the capture, then SUSPEND.
 * - enable: BEGINNING again.
 * - close, finish: STOPPING; archive to the end, freeze the piece, end the round, then STOP.
 */
export type RoundStep =
  | 'stay'
  | 'open'
  | 'begin'
  | 'attach'
  | 'rest'
  | 'lead'
  | 'interrupt'
  | 'replace'
  | 'defer'
  | 'pause'
  | 'enable'
  | 'close'
  | 'finish';

/** The status each step ends in; `attach` from DOING stays there. */
export const STEP_ENDS = {
  open: 'PREPARE',
  begin: 'BEGINNING',
  attach: 'DOING',
  rest: 'DOING',
  lead: 'DOING',
  interrupt: 'INTERRUPTED',
  replace: 'PREPARE',
  defer: 'SUSPENDING',
  pause: 'SUSPEND',
  enable: 'BEGINNING',
  close: 'STOPPING',
  finish: 'STOP',
} as const satisfies Record<Exclude<RoundStep, 'stay'>, RoundStatus>;

/** @source OceanBase 4.3.3 docs and scheduler, moves of an archive round */
export function decideRoundStep(facts: RoundFacts): RoundStep {
  const { isArchiveMode, destState } = facts;
  switch (facts.status) {
    case null:
    case 'STOP':
      return isArchiveMode && canOpen(facts) ? 'open' : 'stay';
    case 'PREPARE':
      // Even when NOARCHIVELOG came in between: a round that has an id also gets a beginning and an end.
      return 'begin';
    case 'BEGINNING':
      if (!isArchiveMode) return 'close';
      return attachOrInterrupt(facts);
    case 'DOING':
      if (!isArchiveMode) return 'close';
      if (destState === 'DEFER') return 'defer';
      if (facts.isLeadDue && !facts.hasGap) return 'lead';
      return attachOrInterrupt(facts);
    case 'INTERRUPTED':
      if (!isArchiveMode) return 'close';
      // A round that is to be replaced is over: it is neither paused nor taken up again.
      if (facts.isRepaired) return canOpen(facts) ? 'replace' : 'stay';
      return destState === 'DEFER' ? 'defer' : 'stay';
    case 'SUSPENDING':
      return isArchiveMode ? 'pause' : 'close';
    case 'SUSPEND':
      if (!isArchiveMode) return 'close';
      return destState === 'ENABLE' ? 'enable' : 'stay';
    case 'STOPPING':
      return 'finish';
  }
}

function canOpen({ hasDest, destState, isTenantNormal }: RoundFacts): boolean {
  return hasDest && destState === 'ENABLE' && isTenantNormal;
}

function attachOrInterrupt(facts: RoundFacts): RoundStep {
  if (facts.hasGap) return 'interrupt';
  // BEGINNING is left even by an attached capture: its last save may have failed.
  if (facts.isAttached && facts.status === 'DOING') return facts.isRestDue ? 'rest' : 'stay';
  return facts.isTenantNormal ? 'attach' : 'stay';
}

/** While a round is to go on from where it stands, every commit since must stay in the engine's log. */
export function keepsLog(status: RoundStatus | null, isArchiveMode: boolean): boolean {
  if (!isArchiveMode || status === null) return false;
  return ['BEGINNING', 'DOING', 'SUSPENDING', 'SUSPEND'].includes(status);
}
