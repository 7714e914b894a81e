// What a kill storm counts.

/** What is killed, or done instead of killing. */
export type Kill =
  | 'server'
  | 'tree'
  | 'capture host'
  | 'sql host'
  | 'view host'
  | 'host guard'
  | 'pipeline worker'
  | 'writer'
  | 'file replaced';

export interface StormFigures {
  rounds: number;
  kills: Partial<Record<Kill, number>>;
  replacedFiles: number;
  commits: number;
  interruptedRounds: number;
  /** New rounds that went on from an interrupted one without a full backup. */
  repairs: number;
  extraFulls: number;
  backups: number;
  incrementals: number;
  failedBackups: number;
  restores: number;
  refusedInHoles: number;
  holes: number;
  /** Of those whose edges were restored: nothing was committed in between. */
  emptyHoles: number;
  bytesCompared: number;
  liveCompares: number;
  lost: number;
  undetected: number;
  failures: string[];
}

export const noFigures = (): StormFigures => ({
  rounds: 0,
  kills: {},
  replacedFiles: 0,
  commits: 0,
  interruptedRounds: 0,
  repairs: 0,
  extraFulls: 0,
  backups: 0,
  incrementals: 0,
  failedBackups: 0,
  restores: 0,
  refusedInHoles: 0,
  holes: 0,
  emptyHoles: 0,
  bytesCompared: 0,
  liveCompares: 0,
  lost: 0,
  undetected: 0,
  failures: [],
});
