// One attempt at the data phases of a backup: the frozen state, the pages that the set holds of it, what was copied, and
// what that says of the log. No row holds any of this, so it ends with its server.
import { assert } from '../base/assert.ts';
import { checksumText } from '../destination/roll-page-map.ts';
import type { Capture, Snapshot } from '../engine/engine-driver.ts';
import { pagesPerBlock } from '../format/backup-set-index.ts';
import { PageMap } from '../format/page-map.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import { ceilToMicrosecond, type Scn } from '../model/scn.ts';
import type { BackupRequest, BackupResult } from '../pipeline/pipeline.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import type { SetKeys } from './backup-keys.ts';
import type { OpenParent } from './open-parent.ts';
import { completeMap, type PagePlan, planByLog, planByScan } from './plan-pages.ts';
import { reachLog } from './watch-archive.ts';

type AttemptDependencies = Pick<
  BackupDependencies,
  'store' | 'clock' | 'archive' | 'openDestination' | 'pipeline' | 'log'
>;

/** How pages become packs; the rest is the attempt's own. */
export type CopyOptions = Pick<
  BackupRequest,
  | 'destination'
  | 'directory'
  | 'packNoBefore'
  | 'packBytesMax'
  | 'compressionLevel'
  | 'workers'
  | 'known'
  | 'onPack'
  | 'onProgress'
  | 'signal'
>;

/** Why the log does not tell the pages of an increment any more. */
export interface Distrust {
  because: string;
  /** A page itself was otherwise, so the log is wrong whatever the next attempt finds. */
  isProved: boolean;
}

/** What was copied, and the state of the database in it. */
export interface Copied {
  result: BackupResult;
  map: PageMap;
}

/**
 * Why the log is not that of the database; null when nothing tells so.
 * @param of.wrongPage a page that is not what the log says
 * @param of.recorded checksum of the state as the log has it; null when it is not known
 */
export function logFault(of: {
  scn: Scn;
  map: Pick<PageMap, 'checksum'>;
  wrongPage: number | undefined;
  recorded: bigint | null;
}): string | null {
  const { scn, map, wrongPage, recorded } = of;
  if (wrongPage !== undefined) return `the log is wrong: at scn ${scn} page ${wrongPage} is not what the log has of it`;
  if (recorded === null || recorded === map.checksum) return null;
  const [found, expected] = [checksumText(map.checksum), checksumText(recorded)];
  return `the log is wrong: at scn ${scn} the database has the checksum ${found}, the log ${expected}`;
}

export class Attempt {
  readonly keys: SetKeys;
  readonly snapshot: Snapshot;
  readonly round: ArchiveRound;
  readonly #deps: AttemptDependencies;
  readonly #tenantId: number;
  #isSnapshotOpen = true;
  /** What an increment is built on and holds; null for a full set. */
  #increment: { parent: OpenParent; plan: PagePlan } | null = null;
  #isLogReached = false;
  #copied: Copied | undefined;
  #fault: string | null = null;

  private constructor(
    deps: AttemptDependencies,
    of: { tenantId: number; round: ArchiveRound; keys: SetKeys; snapshot: Snapshot },
  ) {
    this.#deps = deps;
    this.#tenantId = of.tenantId;
    this.round = of.round;
    this.keys = of.keys;
    this.snapshot = of.snapshot;
  }

  /** Freezes the state to be copied. The keys are the attempt's, which clears them, also when it fails. */
  static async begin(
    deps: AttemptDependencies,
    of: { tenantId: number; round: ArchiveRound; capture: Capture; keys: SetKeys },
  ): Promise<Attempt> {
    try {
      return new Attempt(deps, { ...of, snapshot: await of.capture.snapshot() });
    } catch (error) {
      of.keys.dataKey?.fill(0);
      throw error;
    }
  }

  /** Pages that the set itself holds. */
  get pageCount(): number {
    return this.#increment ? this.#increment.plan.pages.length : this.snapshot.pageCount;
  }

  get blockCount(): number {
    return Math.ceil(this.pageCount / pagesPerBlock(this.snapshot.pageSize));
  }

  /** What the increment is built on, with the pages that it holds; null for a full set. */
  get increment(): { parent: OpenParent; pages: Uint32Array } | null {
    return this.#increment && { parent: this.#increment.parent, pages: this.#increment.plan.pages };
  }

  /** Why the whole database was read for an increment; null when the log told its pages, or for a full set. */
  get scanBecause(): string | null {
    return this.#increment?.plan.scanBecause ?? null;
  }

  /** True when the log is known to reach the frozen state. */
  get isLogReached(): boolean {
    return this.#isLogReached;
  }

  /** Why the log is not that of the database. The set was read from the database and is right. */
  get logFault(): string | null {
    return this.#fault;
  }

  /** What is to be said of the data that was copied. */
  get remarks(): Array<string | null> {
    const { knownBlocks, blocks } = this.copied.result;
    return [
      this.scanBecause && `the whole database was read, because ${this.scanBecause}`,
      knownBlocks > 0 ? `${knownBlocks} of ${blocks.length} blocks are those of an attempt that was broken off` : null,
      this.logFault,
    ];
  }

  get copied(): Copied {
    assert(this.#copied, 'a set is written after its data');
    return this.#copied;
  }

  /**
   * Finds out which pages the increment holds.
   * @param of.distrust why the log is not to be asked; undefined when it is
   */
  async plan(
    parent: OpenParent,
    of: { workers: number; distrust: Distrust | undefined; signal: AbortSignal },
  ): Promise<void> {
    const { snapshot, round } = this;
    const { distrust, signal } = of;
    const request = { tenantId: this.#tenantId, parent, snapshot, round, workers: of.workers, signal };
    const plan = distrust?.because ?? (await this.#planByLog(request));
    if (typeof plan === 'string')
      this.#deps.log.info('increment by reading the whole database', { tenantId: this.#tenantId, because: plan });
    this.#increment = {
      parent,
      plan: typeof plan === 'string' ? await planByScan(this.#deps, request, plan) : plan,
    };
  }

  async #planByLog(request: Parameters<typeof planByLog>[1]): Promise<PagePlan | string> {
    const { roundId } = this.round;
    const minRestoreScn = ceilToMicrosecond(this.snapshot.scn);
    this.#isLogReached = await reachLog(
      this.#deps,
      { tenantId: this.#tenantId, roundId, minRestoreScn },
      request.signal,
    );
    if (!this.#isLogReached) return 'the log did not reach the state of this set in time';
    return await planByLog(this.#deps, request);
  }

  /**
   * Copies the pages, lets go of the frozen state, and compares what was read with what the log says of it.
   * @returns null, or what is wrong with the log that told the pages of an increment: nothing of this attempt is good
   */
  async copy(options: CopyOptions, of: { distrust: Distrust | undefined }): Promise<Distrust | null> {
    const { snapshot, keys } = this;
    const { close: _close, facts: _facts, scn, databaseChecksum: recorded, ...source } = snapshot;
    const plan = this.#increment?.plan;
    const result = await this.#deps.pipeline.backup({
      ...options,
      source,
      ...(plan ? { pages: plan.pages } : {}),
      owner: { clusterUuid: this.#deps.store.cluster.uuid, tenantId: this.#tenantId, setUuid: keys.setUuid },
      dataKey: keys.dataKey,
    });
    await this.closeSnapshot();
    const map = plan?.map ?? new PageMap(snapshot.pageSize, result.pageHashes);
    const wrongPage = plan && completeMap(plan, result.pageHashes);
    const fault = logFault({ scn, map, wrongPage, recorded });
    if (plan?.scanBecause === null && fault !== null) return { because: fault, isProved: wrongPage !== undefined };
    assert(wrongPage === undefined, 'a frozen state does not change');
    this.#fault = fault ?? (of.distrust?.isProved ? of.distrust.because : null);
    this.#copied = { result, map };
    return null;
  }

  async closeSnapshot(): Promise<void> {
    if (!this.#isSnapshotOpen) return;
    this.#isSnapshotOpen = false;
    await this.snapshot.close();
  }

  /** Safe to repeat. */
  async close(): Promise<void> {
    this.keys.dataKey?.fill(0);
    await this.closeSnapshot();
  }
}
