// What a room that writes asks of the leases: the right to write a destination, and the proof that it still has it.
import type { Destination } from '../destination/destination.ts';
import type { DestKind } from '../format/format-file.ts';

/** The right of one process to write one destination. */
export interface Lease {
  /** Greater than that of every earlier writer; 0 where there are no leases. */
  readonly generation: number;
  /**
   * Proves that nobody has taken the destination over. What was durable before the call may be acknowledged behind it:
   * whoever takes over later finds it.
   * @throws DESTINATION_HELD (4038) when somebody has; the destination's errors when it does not answer
   */
  prove(): Promise<void>;
}

export interface LeaseOf {
  tenantId: number;
  /** As it is kept in the store: without options. */
  uri: string;
  destKind: DestKind;
}

export interface Leases {
  /**
   * Takes a claimed destination for this process, or finds that it holds it.
   * @throws DESTINATION_HELD (4038) naming the holder; the destination's errors
   */
  hold(destination: Destination, of: LeaseOf): Promise<Lease>;
  /**
   * Takes a destination from whoever holds it, and learns what the other wrote. May be repeated.
   * @returns false when this server holds it already
   * @throws the destination's errors
   */
  takeOver(destination: Destination, of: LeaseOf): Promise<boolean>;
  /**
   * What this process still has on its way there is to count no more: the next `hold` takes another generation. Nothing is
   * written here, and nothing happens when the destination is not held.
   */
  retire(of: Pick<LeaseOf, 'tenantId' | 'uri'>): void;
  /** Whether another server may have written to a round: then nothing more is to be added to it here. */
  isForeignRound(tenantId: number, round: { uri: string; roundId: number }): boolean;
}

/** Where nobody else writes: tests of one room. */
export const NO_LEASES: Leases = {
  hold: async () => ({ generation: 0, prove: async () => {} }),
  takeOver: async () => false,
  retire: () => {},
  isForeignRound: () => false,
};
