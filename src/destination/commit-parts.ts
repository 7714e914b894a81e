// A commit that batches hold in parts: what was read of it counts only once its last part has come.
import type { HashedBatchHeader } from '../format/log-batch-header.ts';
import { damagedLog, type LogBatchTable } from '../format/log-batch-table.ts';
import type { Scn } from '../model/scn.ts';

/** What of a read batch tells how its commits join those before. */
export interface JoinedBatch {
  object: string;
  header: Pick<HashedBatchHeader, 'roundId' | 'batchNo' | 'isContinued'>;
  table: Pick<LogBatchTable, 'commits'>;
}

/** The parts, of whatever kind the reader keeps, of the one commit that may be open between two batches. */
export class CommitParts<Part> {
  readonly #sinceScn: Scn;
  #parts: Part[] = [];
  /** Scn of the commit whose last part is still to come. */
  #openScn: Scn | null = null;
  #roundId: number | undefined;

  /** @param sinceScn commits up to here are not wanted: their parts may be missing, wherever the walk began */
  constructor(sinceScn: Scn) {
    this.#sinceScn = sinceScn;
  }

  /**
   * Begins a batch. Its first commit goes on with the one that the batch before left open, or makes the parts of that
   * void, because capture was interrupted and began the commit anew or the round ended there.
   * @throws BACKUP_DATA_CORRUPT (9010) when it goes on with another commit than the open one
   */
  join({ object, header, table }: JoinedBatch): void {
    const { commits } = table;
    const isNewRound = this.#roundId !== undefined && this.#roundId !== header.roundId;
    this.#roundId = header.roundId;
    if (!header.isContinued || isNewRound) {
      this.#openScn = null;
      this.#parts = [];
    }
    const [first] = commits;
    const isUnwanted = this.#openScn === null && first !== undefined && first.scn <= this.#sinceScn;
    if (header.isContinued && !isUnwanted && (first === undefined || first.scn !== this.#openScn)) {
      const because = `batch ${header.batchNo} does not go on with the commit that the batch before left open`;
      throw damagedLog(object, because);
    }
    const last = commits.at(-1);
    this.#openScn = last && !last.isComplete ? last.scn : null;
  }

  add(part: Part): void {
    this.#parts.push(part);
  }

  /** The parts so far, which are forgotten here. */
  take(): Part[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}
