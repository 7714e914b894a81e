// The reference that restores are compared with byte for byte: a copy of the live database at one scn, and onto it every
// commit of the archive in its order, one after the other. It knows of no backup set, no index, no newest-first merge and
// no restore plan; only the reading of the log is the product's own.
import { createHash } from 'node:crypto';
import { closeSync, copyFileSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { type ArchivedRound, listRounds, readPieceStart } from '../../src/destination/archive-listing.ts';
import { walkRound } from '../../src/destination/archive-reader.ts';
import type { ReadBatch } from '../../src/destination/batch-chain.ts';
import type { Destination, ObjectReader } from '../../src/destination/destination.ts';
import { openDestination } from '../../src/destination/open-destination.ts';
import { decodeImageBlock } from '../../src/format/log-batch-table.ts';
import { parseDestinationUri } from '../../src/model/destination-uri.ts';

interface Part {
  scn: bigint;
  databasePages: number;
  pages: Map<number, Buffer>;
}

/** What a step forward went over. */
export interface Advance {
  commits: number;
  /** Rounds that were entered: behind a hole there are more commits than the log shows. */
  rounds: number;
}

export class Reference {
  readonly path: string;
  readonly #destination: Destination;
  #scn = 0n;
  #roundId = 0;

  constructor(path: string, archiveUri: string) {
    this.path = path;
    this.#destination = openDestination(parseDestinationUri(archiveUri));
  }

  get scn(): bigint {
    return this.#scn;
  }

  /** Begins anew from a copy of the live database. */
  begin(copyPath: string, at: { scn: bigint; roundId: number }): void {
    copyFileSync(copyPath, this.path);
    this.#scn = at.scn;
    this.#roundId = at.roundId;
  }

  /** Rounds that go on from an earlier one. */
  async countRepairs(): Promise<number> {
    return (await listRounds(this.#destination)).filter(({ start }) => start.base !== null).length;
  }

  /** Applies every commit up to an scn, not below the one it stands at. */
  async advanceTo(scn: bigint): Promise<Advance> {
    const done: Advance = { commits: 0, rounds: 0 };
    const fd = openSync(this.path, 'r+');
    try {
      for (const round of await listRounds(this.#destination)) {
        if (round.roundId < this.#roundId || round.start.startScn > scn) continue;
        if (round.roundId > this.#roundId) done.rounds++;
        done.commits += await this.#applyRound(fd, round, scn);
        this.#roundId = round.roundId;
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    this.#scn = scn;
    return done;
  }

  async #applyRound(fd: number, round: ArchivedRound, scn: bigint): Promise<number> {
    let commits = 0;
    let part: Part | undefined;
    const reader = new OpenObject(this.#destination);
    const from = await fromPiece(this.#destination, round, this.#scn);
    try {
      for await (const batch of walkRound(this.#destination, round, from)) {
        // A commit whose server died between its parts is void unless the next batch goes on with it.
        if (!batch.header.isContinued) part = undefined;
        const images = new Images(batch, reader);
        for (const { scn: at, databasePages, firstImage, imageCount, isComplete } of batch.table.commits) {
          if (at > scn) return commits;
          if (at <= this.#scn) continue;
          part ??= { scn: at, databasePages, pages: new Map() };
          if (part.scn !== at) throw new Error(`parts of a commit at ${part.scn} and ${at}`);
          for (let i = firstImage; i < firstImage + imageCount; i++)
            part.pages.set(batch.table.pages[i]!, await images.at(i));
          if (!isComplete) continue;
          apply(fd, part, batch.header.pageSize);
          part = undefined;
          commits++;
        }
      }
    } finally {
      await reader.close();
    }
    return commits;
  }
}

/** The last piece that begins at or before an scn: what comes before it is applied already. */
async function fromPiece(
  destination: Destination,
  { pieces }: ArchivedRound,
  scn: bigint,
): Promise<{ fromPieceId?: number }> {
  for (const piece of pieces.toReversed()) {
    const { startScn } = await readPieceStart(destination, piece);
    if (startScn <= scn) return { fromPieceId: piece.pieceId };
  }
  return {};
}

function apply(fd: number, { databasePages, pages }: Part, pageSize: number): void {
  for (const [page, image] of pages) writeSync(fd, image, 0, pageSize, (page - 1) * pageSize);
  if (fstatSync(fd).size !== databasePages * pageSize) ftruncateSync(fd, databasePages * pageSize);
}

/** The object that was read last, open. */
class OpenObject {
  readonly #destination: Destination;
  #name = '';
  #reader: ObjectReader | undefined;

  constructor(destination: Destination) {
    this.#destination = destination;
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    if (name !== this.#name) {
      await this.close();
      this.#reader = await this.#destination.openRead(name);
      this.#name = name;
    }
    return await this.#reader!.read(offset, length);
  }

  async close(): Promise<void> {
    await this.#reader?.close();
    this.#reader = undefined;
    this.#name = '';
  }
}

/** Page images of a batch by their place in it. */
class Images {
  readonly #batch: ReadBatch;
  readonly #from: OpenObject;
  #first = 0;
  #plain: Uint8Array = new Uint8Array(0);

  constructor(batch: ReadBatch, from: OpenObject) {
    this.#batch = batch;
    this.#from = from;
  }

  async at(index: number): Promise<Buffer> {
    const { pageSize } = this.#batch.header;
    if (index < this.#first || (index - this.#first + 1) * pageSize > this.#plain.length) await this.#load(index);
    const at = (index - this.#first) * pageSize;
    return Buffer.from(this.#plain.subarray(at, at + pageSize));
  }

  async #load(index: number): Promise<void> {
    const { object, table } = this.#batch;
    const block = table.blocks.find(
      ({ firstImage, imageCount }) => index >= firstImage && index < firstImage + imageCount,
    );
    if (!block) throw new Error(`${object}: no block holds image ${index}`);
    const stored = await this.#from.read(object, block.offset, block.storedBytes);
    this.#plain = decodeImageBlock(stored, block, object);
    this.#first = block.firstImage;
  }
}

const CHUNK_BYTES = 4 * 2 ** 20;

/** @returns the number of bytes when two files are equal, else a sentence */
export function compareFiles(a: string, b: string): number | string {
  const [fdA, fdB] = [openSync(a, 'r'), openSync(b, 'r')];
  try {
    const [sizeA, sizeB] = [fstatSync(fdA).size, fstatSync(fdB).size];
    if (sizeA !== sizeB) return `${sizeA} bytes against ${sizeB}`;
    const [bytesA, bytesB] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
    for (let at = 0; at < sizeA; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, sizeA - at);
      readSync(fdA, bytesA, 0, length, at);
      readSync(fdB, bytesB, 0, length, at);
      if (bytesA.subarray(0, length).equals(bytesB.subarray(0, length))) continue;
      const first = bytesA.findIndex((byte, i) => byte !== bytesB[i]);
      return `they differ from byte ${at + first} on`;
    }
    return sizeA;
  } finally {
    closeSync(fdA);
    closeSync(fdB);
  }
}

export function sha256Of(path: string): string {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const fd = openSync(path, 'r');
  try {
    for (let length = readSync(fd, chunk); length > 0; length = readSync(fd, chunk))
      hash.update(chunk.subarray(0, length));
    return hash.digest('hex');
  } finally {
    closeSync(fd);
  }
}
