// The log that a standby goes on with: looks cheaply whether anything is new at its source, then hands out the batches
// that lead on. While one piece grows, each look reads only its last segment; everything else is planned anew.
import { createHash } from 'node:crypto';
import type { HoldfastError } from '../base/errors.ts';
import { type ArchivedPiece, listPiece, listPieces } from '../destination/archive-listing.ts';
import { walkPieces } from '../destination/archive-reader.ts';
import type { ChainPosition, ReadBatch } from '../destination/batch-chain.ts';
import type { Destination, ObjectInfo } from '../destination/destination.ts';
import { directoryOf, listCopies } from '../destination/list-copies.ts';
import { type PieceRef, parsePieceDirectory, pieceDirectory } from '../format/layout.ts';
import { formatDestinationUri } from '../model/destination-uri.ts';
import type { Scn } from '../model/scn.ts';
import type { ReplayedState } from '../model/standby.ts';
import { planReplay, type ReplayPlan } from './plan-replay.ts';
import { type FoundRun, type LogOwner, provesPoint, readRuns } from './read-log.ts';
import { type WalkedStretch, walkStretches } from './walk-log.ts';

/** Where every new piece and round leaves an object. */
const START_DIRECTORIES = ['pieces', 'rounds'];

/** Where the growing segment of an active piece begins. */
interface Cursor {
  piece: PieceRef;
  segmentNo: number;
  /** Before its first batch. */
  from: ChainPosition;
  /** What the start directories held when the piece was the last one. */
  starts: string;
}

/** Log that leads on from a state. */
export interface OnwardLog {
  batches: AsyncGenerator<ReadBatch>;
  /** What the walk must reach at its end; null when its last batch tells. */
  targetScn: Scn | null;
  /** Whether nothing was committed between the last batch and a point. */
  proves(scn: Scn): Promise<boolean>;
}

export interface FoundLog {
  onward: OnwardLog | null;
  /** Why the log does not lead further; null when more may come. */
  obstacle: HoldfastError | null;
}

function digest(objects: readonly ObjectInfo[]): string {
  const hash = createHash('sha256');
  for (const line of objects.map(({ name, sizeBytes }) => `${name} ${sizeBytes}\n`).sort()) hash.update(line);
  return hash.digest('hex');
}

export class LogFollower {
  readonly #of: { owner: LogOwner; timeZone: string };
  #cursor: Cursor | undefined;
  /** Of what was found at the last look. */
  #seen = '';

  constructor(of: { owner: LogOwner; timeZone: string }) {
    this.#of = of;
  }

  /** The next look reads everything again. */
  forget(): void {
    this.#cursor = undefined;
    this.#seen = '';
  }

  /**
   * @returns null when nothing has changed there since the last look
   * @throws what stands in the way of reading
   */
  async find(destination: Destination, state: ReplayedState, untilScn: Scn): Promise<FoundLog | null> {
    const starts = digest(await this.#listStarts(destination));
    const cursor = this.#cursor?.starts === starts ? this.#cursor : undefined;
    const piece = cursor && (await listPiece(destination, cursor.piece));
    const objects = piece ? piece.segments : await listPieces(destination);
    const seen = `${starts} ${untilScn} ${JSON.stringify(objects)}`;
    const hash = createHash('sha256').update(seen).digest('hex');
    if (hash === this.#seen) return null;
    const found = cursor && piece && !piece.isFrozen ? this.#goOn(destination, cursor, piece) : undefined;
    this.#cursor = found ? this.#cursor : undefined;
    const answer = found ?? (await this.#plan(destination, { state, untilScn, starts }));
    this.#seen = hash;
    return answer;
  }

  async #listStarts(destination: Destination): Promise<ObjectInfo[]> {
    return (await Promise.all(START_DIRECTORIES.map((directory) => destination.list(directory)))).flat();
  }

  /** The same piece has grown. */
  #goOn(destination: Destination, cursor: Cursor, piece: ArchivedPiece): FoundLog {
    const segments = piece.segments.filter(({ segmentNo }) => segmentNo >= cursor.segmentNo);
    const walk = walkPieces(destination, [{ ...piece, segments }], cursor.from, { owner: this.#of.owner });
    const batches = this.#noting(walk, cursor.starts);
    return { onward: { batches, targetScn: null, proves: async () => false }, obstacle: null };
  }

  async #plan(
    destination: Destination,
    of: { state: ReplayedState; untilScn: Scn; starts: string },
  ): Promise<FoundLog> {
    const { owner, timeZone } = this.#of;
    const { state, untilScn, starts } = of;
    const log = await listCopies([{ destination, shown: formatDestinationUri(destination.uri), only: null }]);
    const later = log.pieces.filter(({ roundId }) => roundId >= state.roundId);
    const runs = await readRuns(log, { owner, pieces: later });
    const { onward, obstacle } = planReplay({ state, runs, untilScn, timeZone });
    if (!onward) return { onward: null, obstacle };
    const last = later.at(-1)?.copies[0]?.piece;
    const endsInLast = onward.stretches.at(-1)?.pieces.at(-1)?.name === (last && pieceDirectory(last));
    const walk = walkStretches(log, walkedOf(onward.stretches), { owner });
    const lastRun = onward.stretches.at(-1)?.run;
    return {
      onward: {
        batches: this.#noting(walk, endsInLast && !last?.isFrozen ? starts : null),
        targetScn: onward.targetScn,
        proves: async (scn) => {
          const name = onward.stretches.at(-1)?.pieces.at(-1)?.name;
          const piece = lastRun?.archived.findLast((archived) => directoryOf(archived) === name);
          return piece !== undefined && (await provesPoint(log, piece, scn));
        },
      },
      obstacle,
    };
  }

  /** Passes batches on and remembers where the last segment begins. @param starts null: the walk is not to be gone on with */
  async *#noting(walk: AsyncGenerator<ReadBatch>, starts: string | null): AsyncGenerator<ReadBatch> {
    let cursor = this.#cursor;
    this.#cursor = undefined;
    for await (const batch of walk) {
      const { destId, roundId, pieceId, segmentNo, header } = batch;
      const isSame =
        cursor?.segmentNo === segmentNo && cursor.piece.pieceId === pieceId && cursor.piece.roundId === roundId;
      // A commit that began in an earlier segment is read from its beginning.
      if (!isSame && !header.isContinued && starts !== null) {
        const piece = { destId, roundId, pieceId };
        cursor = { piece, segmentNo, from: { batchNo: header.batchNo - 1, hash: header.prevHash }, starts };
      }
      yield batch;
    }
    this.#cursor = cursor;
  }
}

function walkedOf(stretches: NonNullable<ReplayPlan<FoundRun>['onward']>['stretches']): WalkedStretch[] {
  return stretches.map(({ pieces }, place) => {
    const base = stretches[place + 1]?.run.base;
    return {
      pieces: pieces.flatMap(({ name }) => parsePieceDirectory(name) ?? []),
      until: base ? { batchNo: base.batchNo, batchHash: base.batchHash } : null,
    };
  });
}
