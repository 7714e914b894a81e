// Keeps a tenant's page map: gets it when commits need one, from the file that the last run left or by a scan of the
// database, and saves it now and then at the position of a durable batch. An idle tenant reads and writes nothing.
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { readKeptPageMap, writeKeptPageMap } from '../../format/kept-page-map.ts';
import type { Scn } from '../../model/scn.ts';
import type { LogOwner } from '../engine-driver.ts';
import type { CaptureConnections } from './capture-connections.ts';
import type { Delivery } from './capture-delivery.ts';
import { type CapturePageMap, PagesMissing } from './capture-page-map.ts';
import { HeldPages, scanPages } from './capture-pages.ts';
import type { FrozenState, Snapshots } from './capture-snapshot.ts';
import type { Turns } from './turns.ts';

/** While commits go on the file is at most so old: it spares reading a stretch of log, never more than that. */
const SAVE_MS = 300_000;
/** Pause after a scan that failed: the next commit asks for another. */
const SCAN_PAUSE_MS = 10_000;

export interface PageFileParts {
  captureId: number;
  owner: LogOwner;
  /** null keeps nothing. */
  pageMapPath: string | null;
  /** Where the capture goes on; null at the start of a round. */
  resumedScn: Scn | null;
  pageMap: CapturePageMap;
  connections: CaptureConnections;
  delivery: Delivery;
  snapshots: Snapshots;
  clock: Clock;
  log: Log;
  /** Scans read whole databases: a few at a time. */
  scans: Turns;
  /** The log does not lead to the state of the database. */
  onBroken(because: string): void;
}

export class PageFile {
  readonly #of: PageFileParts;
  #isStopped = false;
  #loading: Promise<void> | undefined;
  #isScanning = false;
  #scanned: Promise<void> = Promise.resolve();
  #saving: Promise<void> | undefined;
  #notBeforeMs = 0;
  #savedScn: Scn | null;
  #savedMs: number | undefined;

  constructor(of: PageFileParts) {
    this.#of = of;
    this.#savedScn = of.resumedScn;
    of.delivery.onDurable = () => this.#maybeSave();
  }

  /** Commits are there to be archived. @param freeze holds the present state */
  want(freeze: () => Promise<FrozenState>): void {
    const { pageMap, clock } = this.#of;
    if (pageMap.isSettled || this.#isScanning || this.#isStopped || clock.monotonicMs() < this.#notBeforeMs) return;
    this.#isScanning = true;
    void this.#get(freeze)
      .catch((error) => this.#failed('scan', error))
      .finally(() => {
        this.#isScanning = false;
        this.#notBeforeMs = clock.monotonicMs() + SCAN_PAUSE_MS;
      });
  }

  async #get(freeze: () => Promise<FrozenState>): Promise<void> {
    await this.load();
    if (this.#of.pageMap.isSettled || this.#isStopped) return;
    await this.#of.scans.run(() => {
      this.#scanned = this.#scan(freeze);
      return this.#scanned;
    });
    if (this.#of.delivery.isAtRest) this.#maybeSave();
  }

  async #scan(freeze: () => Promise<FrozenState>): Promise<void> {
    const { pageMap, connections, snapshots } = this.#of;
    if (this.#isStopped) return;
    const frozen = await freeze();
    try {
      const pages = new HeldPages(snapshots.describe(frozen), connections);
      const map = await scanPages(pages, () => this.#isStopped);
      if (map) pageMap.settle(map, frozen.includedScn);
    } finally {
      snapshots.close(frozen.snapshotId);
    }
  }

  /** Takes the map from the file, when that holds exactly the state that the capture goes on from. */
  load(): Promise<void> {
    this.#loading ??= this.#load().catch((error) => this.#failed('load', error));
    return this.#loading;
  }

  async #load(): Promise<void> {
    const { owner, pageMapPath, resumedScn, pageMap, connections, clock } = this.#of;
    if (pageMapPath === null || resumedScn === null || pageMap.isSettled) return;
    const found = await readKeptPageMap(pageMapPath, owner);
    if (!found || this.#isStopped) return;
    if (found.roundId !== owner.roundId || found.scn !== resumedScn) return;
    if (found.map.pageSize !== connections.pageSize) return;
    pageMap.settle(found.map, undefined);
    this.#savedMs = clock.monotonicMs();
  }

  #failed(what: string, error: unknown): void {
    if (error instanceof PagesMissing) this.#of.onBroken(error.message);
    if (!this.#isStopped) this.#of.log.warn('page map', { captureId: this.#of.captureId, what, error });
  }

  /** Only while the map is that of the last durable batch. */
  #maybeSave(): void {
    const { delivery, clock, pageMap } = this.#of;
    if (this.#saving || this.#isStopped || !pageMap.map || !delivery.isAtRest) return;
    if (this.#savedMs !== undefined && clock.monotonicMs() - this.#savedMs < SAVE_MS) return;
    void this.#save();
  }

  #save(): Promise<void> {
    const { pageMapPath, owner, delivery, clock, pageMap } = this.#of;
    const scn = delivery.chain.checkpointScn;
    const { map } = pageMap;
    if (pageMapPath === null || !map || scn === this.#savedScn) return Promise.resolve();
    this.#savedMs = clock.monotonicMs();
    const write = async () => {
      // It is copied before the next commit changes it.
      await writeKeptPageMap(pageMapPath, { roundId: owner.roundId, scn, map }, { owner });
      this.#savedScn = scn;
    };
    this.#saving = write()
      .catch((error) => this.#failed('save', error))
      .finally(() => {
        this.#saving = undefined;
      });
    return this.#saving;
  }

  /** Saves the map where a resume finds the log. Nothing is delivered any more. */
  async saveAtStop(): Promise<void> {
    const { delivery, resumedScn } = this.#of;
    await this.#saving;
    if (delivery.chain.checkpointScn !== resumedScn) await this.load();
    if (delivery.isAtRest) await this.#save();
  }

  /** Resolves when nothing is read or written any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.allSettled([this.#loading, this.#scanned, this.#saving]);
  }
}
