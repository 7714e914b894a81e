// Which copy becomes the leading destination when that takes nothing any more. Pure. One that lacks an acknowledged batch
// never does: what was called archived would be missing in every log that goes on from there.
import { sameBytes } from '../../base/bytes.ts';
import type { ChainPosition } from '../../destination/batch-chain.ts';
import type { ArchiveCopyDest } from '../../model/archive-copy.ts';

export interface CopyFacts extends Pick<ArchiveCopyDest, 'destNo' | 'destId' | 'binding' | 'state'> {
  /** The last batch that lies there; undefined when it holds none, or can not be asked at present. */
  position: ChainPosition | undefined;
}

export interface LeadFacts {
  /** For how long the leading destination has taken nothing. */
  awayMs: number;
  patienceMs: number;
  /** The last batch that was acknowledged; undefined while nobody can say which that is. */
  acknowledged: ChainPosition | undefined;
  copies: readonly CopyFacts[];
}

export const isSamePosition = (a: ChainPosition | undefined, b: ChainPosition | undefined): boolean =>
  a !== undefined && b !== undefined && a.batchNo === b.batchNo && sameBytes(a.hash, b.hash);

/** Whether a copy that stands there has everything up to a position; a round begins without a batch. */
export function hasAll(position: ChainPosition | undefined, acknowledged: ChainPosition): boolean {
  return position ? isSamePosition(position, acknowledged) : acknowledged.batchNo === 0;
}

/** @returns the id of the destination that leads from now on, a MANDATORY one before others; undefined: none may */
export function chooseLead({ awayMs, patienceMs, acknowledged, copies }: LeadFacts): number | undefined {
  if (awayMs < patienceMs) return undefined;
  const able = copies.filter(({ state, position }) => state === 'ENABLE' && isSamePosition(position, acknowledged));
  able.sort((a, b) => rank(a) - rank(b) || a.destNo - b.destNo);
  return able[0]?.destId;
}

const rank = ({ binding }: CopyFacts): number => (binding === 'MANDATORY' ? 0 : 1);
