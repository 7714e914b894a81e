// What a restored tenant goes on from until it is activated: whose log leads on, and which state its database has.
import type { Scn } from './scn.ts';

/** RECOVERY_UNTIL_SCN of a tenant that is recovered without a limit. @source OceanBase 4.3.3 docs, DBA_OB_TENANTS */
export const SCN_UNLIMITED = 4_611_686_018_427_387_903n as Scn;

/** One state of a database, by the log that leads to it. */
export interface ReplayedState {
  /** Every commit up to here is in it. */
  scn: Scn;
  /** The newest commit that is in it. */
  commitScn: Scn;
  /** The archive round that these lie in. */
  roundId: number;
  /** Checksum of all its pages, as `checksumText`; '' while it is not known. */
  checksum: string;
}

/** Its own fields are the state of the database. */
export interface Standby extends ReplayedState {
  tenantId: number;
  /** Whose log it is. */
  clusterUuid: string;
  sourceTenantId: number;
  /** LOG_RESTORE_SOURCE: uri of an archive destination, with its options; '' for none. */
  sourceUri: string;
  /** The state that it is just being made, or was when the server ended; null while it rests. */
  nextScn: Scn | null;
  nextCommitScn: Scn | null;
  nextRoundId: number | null;
  nextChecksum: string | null;
  /** True once log was replayed: then what lies in the database is proved before it is opened for writing. */
  isReplayed: boolean;
}

/** @source OceanBase 4.3.3 docs, V$OB_LS_LOG_RESTORE_STATUS */
export type SyncStatus =
  | 'NORMAL'
  | 'SOURCE HAS A GAP'
  | 'STANDBY LOG NOT MATCH'
  | 'CHECK USER OR PASSWORD'
  | 'CHECK NETWORK'
  | 'FETCH LOG TIMEOUT'
  | 'RESTORE SUSPEND'
  | 'NOT AVAILABLE';

/** The state that a standby is being made; null while it rests. */
export function nextOf(standby: Standby): ReplayedState | null {
  const { nextScn: scn, nextCommitScn: commitScn, nextRoundId: roundId, nextChecksum: checksum } = standby;
  if (scn === null || commitScn === null || roundId === null || checksum === null) return null;
  return { scn, commitScn, roundId, checksum };
}

/** The fields that say so. */
export function nextFields(state: ReplayedState | null) {
  return {
    nextScn: state?.scn ?? null,
    nextCommitScn: state?.commitScn ?? null,
    nextRoundId: state?.roundId ?? null,
    nextChecksum: state?.checksum ?? null,
  };
}
