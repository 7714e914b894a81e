// Lays onward log over the database of a standby, step by step. Each step ends behind a whole commit, its pages are proved
// against the checksums that the log records, and what the database is to become is in the store before it becomes that:
// after a crash the pages themselves tell which of the two states it has.
import { rm } from 'node:fs/promises';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import type { ReadBatch } from '../destination/batch-chain.ts';
import type { DestinationSpec } from '../destination/destination.ts';
import { checksumText, PageMapRoll } from '../destination/roll-page-map.ts';
import type { EngineDriver, EngineTenant, Replay } from '../engine/engine-driver.ts';
import { PageMap } from '../format/page-map.ts';
import type { Scn } from '../model/scn.ts';
import { nextFields, nextOf, type ReplayedState, type Standby } from '../model/standby.ts';
import type { Tenant } from '../model/tenant.ts';
import type { LogBlockItem, Pipeline } from '../pipeline/pipeline.ts';
import type { Store } from '../store/store.ts';
import type { OnwardLog } from './follow-log.ts';
import { LogOverlay } from './merge-log.ts';

/** Pages of one step, some 64 MiB: bounds its file, what it adds to the engine's log, and how long readers wait for it. */
const STEP_PAGES_MAX = 16_384;

export interface ReplayDependencies {
  store: Store;
  driver: EngineDriver;
  pipeline: Pick<Pipeline, 'restore'>;
  engineTenant(tenant: Tenant): EngineTenant;
}

/** File of a step's pages, beside the database. */
export const stepPath = (location: string) => `${location}.replaying`;

/** What one walk has done so far. */
interface Progress {
  overlay: LogOverlay;
  /** The round of the last batch, and whether its first commit is still to come: the one that repairs a gap. */
  roundId: number;
  awaitsRepair: boolean;
  last: ReadBatch | undefined;
}

/** A standby's database while log is laid over it. */
export class StandbyDatabase {
  readonly #deps: ReplayDependencies;
  readonly #tenant: EngineTenant;
  readonly #replay: Replay;
  readonly #map: PageMap;

  private constructor(deps: ReplayDependencies, tenant: EngineTenant, replay: Replay) {
    this.#deps = deps;
    this.#tenant = tenant;
    this.#replay = replay;
    this.#map = new PageMap(replay.found.pageSize, replay.found.hashes);
  }

  /**
   * Opens the database and finds out which state it has.
   * @throws BACKUP_DATA_CORRUPT (9010) when it is none of those that the store knows
   */
  static async open(deps: ReplayDependencies, tenantId: number): Promise<StandbyDatabase> {
    const row = deps.store.tenants.get({ tenantId });
    assert(row, 'a standby has a tenant');
    const tenant = deps.engineTenant(row);
    await rm(stepPath(tenant.location), { force: true });
    const replay = await deps.driver.openReplay(tenant);
    try {
      const database = new StandbyDatabase(deps, tenant, replay);
      database.#settle();
      return database;
    } catch (error) {
      await replay.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#replay.close();
  }

  get #standby(): Standby {
    const standby = this.#deps.store.standbys.get({ tenantId: this.#tenant.tenantId });
    assert(standby, 'a standby has a row');
    return standby;
  }

  #settle(): void {
    const standby = this.#standby;
    const next = nextOf(standby);
    const checksum = checksumText(this.#map.checksum);
    if (next?.checksum === checksum) this.#record(next);
    else if (standby.checksum === checksum) {
      if (next) this.#deps.store.standbys.change({ tenantId: standby.tenantId }, nextFields(null));
    } else {
      const because = `its pages have the checksum ${checksum}, not ${standby.checksum} as they were left`;
      throw fail('BACKUP_DATA_CORRUPT', { object: this.#tenant.location, because });
    }
  }

  /** The database is in this state now. */
  #record(state: ReplayedState): void {
    const { store } = this.#deps;
    const { tenantId } = this.#tenant;
    const { lastScn } = store.tenants.get({ tenantId })!;
    store.transaction(() => {
      store.standbys.change({ tenantId }, { ...state, ...nextFields(null), isReplayed: true });
      if (state.scn > lastScn) store.tenants.change({ tenantId }, { lastScn: state.scn });
    });
  }

  /**
   * Replays log up to its end or to a limit.
   * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object; the database is at a state of the
   *         store then, and is to be opened anew
   */
  async replay(
    onward: OnwardLog,
    of: { untilScn: Scn; destination: DestinationSpec; signal: AbortSignal },
  ): Promise<void> {
    const { untilScn, signal } = of;
    const { scn, roundId } = this.#standby;
    const roll = new PageMapRoll({ map: this.#map, scn, untilScn });
    const progress: Progress = { overlay: this.#newOverlay(untilScn), roundId, awaitsRepair: false, last: undefined };
    for await (const batch of this.#soundBatches(onward, progress, of)) {
      signal.throwIfAborted();
      lay(batch, progress, roll);
      if (progress.overlay.isAtEnd) break;
      if (progress.overlay.changedPageCount < STEP_PAGES_MAX || !isWhole(progress)) continue;
      await this.#step(batch.header.checkpointScn, progress, of);
      progress.overlay = this.#newOverlay(untilScn);
    }
    roll.checkStart();
    const endScn = await this.#endOf(onward, progress, untilScn);
    if (endScn > this.#standby.scn) await this.#step(endScn, progress, of);
  }

  /** Before the walk's failure is told, the database gets what was sound up to there. */
  async *#soundBatches(
    { batches }: OnwardLog,
    progress: Progress,
    of: { destination: DestinationSpec; signal: AbortSignal },
  ): AsyncGenerator<ReadBatch> {
    try {
      yield* batches;
    } catch (error) {
      const { last } = progress;
      if (last && isWhole(progress) && last.header.checkpointScn > this.#standby.scn && !of.signal.aborted)
        await this.#step(last.header.checkpointScn, progress, of);
      throw error;
    }
  }

  #newOverlay(untilScn: Scn): LogOverlay {
    const { pageSize, pageCount } = this.#map;
    const { scn } = this.#standby;
    return new LogOverlay({ pageSize, setPageCount: pageCount, consistentScn: scn, restoreScn: untilScn });
  }

  /** The point that the log which was walked leads to. */
  async #endOf(onward: OnwardLog, { overlay, last, awaitsRepair }: Progress, untilScn: Scn): Promise<Scn> {
    if (awaitsRepair) {
      const because = 'the commit that repairs the gap before it is not there';
      throw fail('BACKUP_DATA_CORRUPT', { object: last!.object, because });
    }
    if (overlay.isAtEnd) return untilScn;
    const { targetScn } = onward;
    // Behind the last batch only a limit is gone to: where a later round goes on from is not known yet.
    if (targetScn === untilScn && (await onward.proves(untilScn))) return untilScn;
    return last?.header.checkpointScn ?? this.#standby.scn;
  }

  async #step(
    scn: Scn,
    { overlay, roundId }: Progress,
    of: { destination: DestinationSpec; signal: AbortSignal },
  ): Promise<void> {
    const { tenantId, location } = this.#tenant;
    const { store } = this.#deps;
    const commitScn = overlay.commitCount > 0 ? overlay.commitScn : this.#standby.commitScn;
    const state: ReplayedState = { scn, commitScn, roundId, checksum: checksumText(this.#map.checksum) };
    assert(overlay.pageCount === this.#map.pageCount, 'page map and database have the same pages');
    if (overlay.commitCount > 0) {
      const pagesPath = stepPath(location);
      await rm(pagesPath, { force: true });
      const pages = await this.#fetch(overlay, pagesPath, of);
      store.standbys.change({ tenantId }, nextFields(state));
      await this.#replay.apply({ pagesPath, pages, databasePages: overlay.pageCount });
      await rm(pagesPath, { force: true });
    }
    this.#record(state);
  }

  /** Writes the newest images of all changed pages into a file, one behind the other. @returns their numbers */
  async #fetch(
    overlay: LogOverlay,
    targetPath: string,
    { destination, signal }: { destination: DestinationSpec; signal: AbortSignal },
  ): Promise<Uint32Array> {
    const items = [...overlay.logItems(0)];
    const pages = Uint32Array.from(items.flatMap(({ images }) => images.map(([, page]) => page))).sort();
    if (pages.length === 0) return pages;
    const { pageHashes } = await this.#deps.pipeline.restore({
      ...{ targetPath, pageSize: this.#map.pageSize, pageCount: pages.length, skipPage: 0, sets: [], signal },
      logDestination: destination,
      items: packed(items, pages),
      workers: 1,
      onProgress: () => {},
    });
    for (const [slot, page] of pages.entries()) {
      if (pageHashes[slot] === this.#map.get(page)) continue;
      const object = items.find(({ images }) => images.some(([, number]) => number === page))!.object;
      const because = `the image of page ${page} does not have the hash that is recorded beside it`;
      throw fail('BACKUP_DATA_CORRUPT', { object, because });
    }
    return pages;
  }
}

function lay(batch: ReadBatch, progress: Progress, roll: PageMapRoll): void {
  const before = roll.commitCount;
  roll.add(batch);
  progress.overlay.add(batch);
  progress.last = batch;
  if (batch.roundId !== progress.roundId) Object.assign(progress, { roundId: batch.roundId, awaitsRepair: true });
  if (roll.commitCount > before) progress.awaitsRepair = false;
}

/** Whether a state ends with the last batch: no commit is open, and a gap that it repairs is repaired. */
function isWhole({ last, awaitsRepair }: Progress): boolean {
  return last !== undefined && !last.header.continues && !awaitsRepair;
}

/** The items with the place of each page in the file instead of its number. */
function* packed(items: readonly LogBlockItem[], pages: Uint32Array): Generator<LogBlockItem> {
  const places = new Map<number, number>();
  for (const [slot, page] of pages.entries()) places.set(page, slot + 1);
  for (const item of items)
    yield { ...item, images: item.images.map(([index, page]): [number, number] => [index, places.get(page)!]) };
}
