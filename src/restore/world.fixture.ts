// A small world for tests of backup and restore: one server's store, the fake engine, real pipeline workers, file
// destinations, and a log archive that does what a test tells it: freeze a piece, break a round, begin a new one.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBackup } from '../backup/backup.ts';
import type { BackupDependencies, CopyTiming } from '../backup/backup-dependencies.ts';
import type { BackupArchive, BackupService } from '../backup/backup-service.ts';
import { systemClock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import { listPieces, readPieceInfo } from '../destination/archive-listing.ts';
import { claimDestination } from '../destination/claim-destination.ts';
import type { Destination, ObjectAppender } from '../destination/destination.ts';
import { openDestination } from '../destination/open-destination.ts';
import type { CapturedBatch } from '../engine/engine-driver.ts';
import type { FakeCapture } from '../engine/fake/fake-capture.ts';
import { FAKE_PAGE_BYTES } from '../engine/fake/fake-database.ts';
import { FakeDriver } from '../engine/fake/fake-driver.ts';
import {
  type ArchiveOwner,
  pieceInfoFile,
  pieceStartFile,
  type RoundBase,
  roundEndFile,
  roundStartFile,
  type SegmentInfo,
} from '../format/archive-info.ts';
import {
  type PieceRef,
  pieceDirectory,
  pieceInfoName,
  pieceStartName,
  roundEndName,
  roundStartName,
  segmentName,
} from '../format/layout.ts';
import { encodeSegmentHeader } from '../format/log-batch-header.ts';
import { PageMap, pageHash } from '../format/page-map.ts';
import { encodePageMap } from '../format/page-map-file.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import { type DestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import { SCN_NONE, type Scn, toScn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { createPipeline } from '../pipeline/create-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { accountWithoutPassword } from '../store/records.ts';
import { openStore, type Store } from '../store/store.ts';
import { createRestore } from './restore.ts';
import type { RestoreArchive, RestoreRequest, RestoreService } from './restore-service.ts';
import type { RestoreDependencies } from './restore-worker.ts';
import { createStandby } from './standby.ts';
import type { StandbyService } from './standby-service.ts';

/** Far beyond every commit of a test: pieces end when the test says so. */
const FAR = toScn((1n << 63n) - 1n);
const WAIT_MS_MAX = 30_000;
/** Between the last commit of a piece and its end. */
export const PIECE_GAP_NS = 2_000_000n;

/** Waits until a condition holds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = systemClock.monotonicMs() + WAIT_MS_MAX;
  while (!condition()) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

interface OpenPiece extends PieceRef {
  startScn: Scn;
  segment: ObjectAppender;
  info: SegmentInfo | null;
  firstBatchHash: Uint8Array | null;
  checkpointScn: Scn;
  maxScn: Scn;
}

/** One tenant's archive under the test's control. */
class TestArchive {
  readonly #world: World;
  readonly #tenant: Tenant;
  readonly #destination: Destination;
  readonly #uri: string;
  readonly #destId: number;
  capture: FakeCapture | undefined;
  #piece: OpenPiece | undefined;
  #tip: { batchNo: number; hash: Uint8Array } = { batchNo: 0, hash: new Uint8Array(32) };
  #roundId = 0;
  #base: RoundBase | undefined;
  #closing: Promise<void> | undefined;
  /** While set, batches are not accepted: the destination is away. */
  isAway = false;

  constructor(world: World, tenant: Tenant, uri: string) {
    this.#world = world;
    this.#tenant = tenant;
    this.#uri = uri;
    this.#destination = openDestination(parseDestinationUri(uri));
    this.#destId = world.store.destIdFor(tenant.tenantId, uri);
  }

  get #owner(): ArchiveOwner {
    const { cluster } = this.#world.store;
    const { tenantId, name, mode, timeZone } = this.#tenant;
    return {
      cluster: { name: cluster.name, id: cluster.clusterId, uuid: cluster.uuid },
      tenant: { id: tenantId, name, mode, timeZone },
      engine: { engine: 'fake', version: 'fake-1' },
    };
  }

  /** @param options.repairs the round goes on from the one that `interrupt` ended */
  async startRound(options: { repairs?: boolean } = {}): Promise<void> {
    await this.#closing;
    const { store, driver } = this.#world;
    const { tenantId } = this.#tenant;
    const base = (options.repairs && this.#base) || null;
    await claimDestination(this.#destination, this.#world.formatFile(this.#tenant, 'archive_log', this.#destId));
    this.#roundId = store.nextId(tenantId, 'round');
    const pieceId = store.nextId(tenantId, 'piece');
    const startScn = toScn(systemClock.nowNs());
    this.#tip = { batchNo: 0, hash: base?.batchHash ?? new Uint8Array(32) };
    store.rounds.insert({
      tenantId,
      destId: this.#destId,
      roundId: this.#roundId,
      status: 'DOING',
      startScn,
      checkpointScn: startScn,
      basePieceId: pieceId,
      usedPieceId: pieceId,
      pieceSwitchIntervalUs: 1n,
      inputBytes: 0n,
      outputBytes: 0n,
      comment: '',
      uri: this.#uri,
      baseRoundId: base?.roundId ?? null,
      baseScn: base?.scn ?? null,
    });
    const ids = { destId: this.#destId, roundId: this.#roundId };
    const start = { ...this.#owner, ...ids, startScn, basePieceId: pieceId, createdNs: startScn, base };
    await this.#destination.put(
      roundStartName(ids),
      roundStartFile.encode({ ...start, pieceSwitchIntervalUs: 1_000_000n }),
    );
    await this.#openPiece(pieceId, startScn);
    const capture = await driver.startCapture({
      tenant: this.#world.engineTenant(this.#tenant),
      owner: { clusterUuid: store.cluster.uuid, tenantId, roundId: this.#roundId },
      resume: null,
      repair: base && { prevHash: base.batchHash, pageMapPath: this.#basePath },
      pageMapPath: null,
      afterScn: startScn,
      lagTargetMs: 0,
      cutScn: FAR,
      deliver: (batch) => this.#append(batch),
      onGap: (because) => this.endRound('INTERRUPTED', because),
    });
    this.capture = capture as FakeCapture;
    if (base) store.rounds.change({ tenantId, roundId: this.#roundId }, { repairedScn: capture.startScn });
  }

  get #basePath(): string {
    return join(this.#world.dataDir, `base-${this.#tenant.tenantId}.map`);
  }

  /** Ends the round with its files and keeps what the next one repairs from. */
  async interrupt(because: string): Promise<void> {
    const scn = await this.flush();
    const file = readFileSync(this.#tenant.location);
    const { destId, roundId, pieceId, checkpointScn } = this.#piece!;
    const { batchNo, hash: batchHash } = this.#tip;
    this.#base = { destId, roundId, batchNo, batchHash, scn: checkpointScn };
    const pages = Array.from({ length: file.length / FAKE_PAGE_BYTES }, (_, place) =>
      pageHash(file.subarray(place * FAKE_PAGE_BYTES, (place + 1) * FAKE_PAGE_BYTES)),
    );
    const map = new PageMap(FAKE_PAGE_BYTES, BigUint64Array.from(pages));
    const owner = { clusterUuid: this.#world.store.cluster.uuid, tenantId: this.#tenant.tenantId, setUuid: '' };
    writeFileSync(this.#basePath, encodePageMap({ roundId, scn: checkpointScn, map }, owner, null));
    const capture = this.capture;
    this.capture = undefined;
    await capture?.stop();
    const endScn = toScn(scn + PIECE_GAP_NS);
    await this.#freeze(endScn);
    const { startScn, basePieceId } = this.#world.store.rounds.get({ tenantId: this.#tenant.tenantId, roundId })!;
    const end = { destId, roundId, startScn, checkpointScn: endScn, basePieceId, lastPieceId: pieceId };
    const info = { ...this.#owner, ...end, endedNs: endScn, status: 'INTERRUPTED', comment: because } as const;
    await this.#destination.put(roundEndName({ destId, roundId }), roundEndFile.encode(info));
    const key = { tenantId: this.#tenant.tenantId, roundId };
    this.#world.store.rounds.change(key, { status: 'INTERRUPTED', comment: because });
    while (systemClock.nowNs() <= endScn) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  async #openPiece(pieceId: number, startScn: Scn): Promise<void> {
    const ref = { destId: this.#destId, roundId: this.#roundId, pieceId };
    const { store } = this.#world;
    const prevBatchHash = this.#tip.hash.every((byte) => byte === 0) ? null : this.#tip.hash;
    await this.#destination.put(
      pieceStartName(ref, startScn),
      pieceStartFile.encode({ ...this.#owner, ...ref, startScn, endScn: FAR, createdNs: startScn, prevBatchHash }),
    );
    const segment = await this.#destination.openAppend(segmentName(pieceDirectory(ref), 1));
    const header = { clusterUuid: store.cluster.uuid, tenantId: this.#tenant.tenantId, segmentNo: 1 };
    await segment.append(
      encodeSegmentHeader({ ...header, ...ref, firstBatchNo: this.#tip.batchNo + 1, prevHash: this.#tip.hash }),
    );
    const scns = { startScn, checkpointScn: startScn, maxScn: startScn };
    this.#piece = { ...ref, ...scns, segment, info: null, firstBatchHash: null };
  }

  async #append(batch: CapturedBatch): Promise<void> {
    const piece = this.#piece;
    if (this.isAway || !piece) throw fail('BACKUP_DEST_NOT_CONNECT', { uri: this.#uri, because: 'the test says so' });
    await piece.segment.append(batch.bytes);
    const { batchNo, batchHash: hash } = batch.position;
    this.#tip = { batchNo, hash };
    piece.firstBatchHash ??= hash;
    piece.checkpointScn = batch.checkpointScn;
    if (batch.commitCount > 0) piece.maxScn = batch.lastScn;
    const name = segmentName('', 1).slice(1);
    piece.info ??= { name, size: 0, sha256: null, firstBatchNo: batchNo, lastBatchNo: batchNo, lastBatchHash: hash };
    Object.assign(piece.info, { size: piece.segment.sizeBytes, lastBatchNo: batchNo, lastBatchHash: hash });
    const key = { tenantId: this.#tenant.tenantId, roundId: this.#roundId };
    this.#world.store.rounds.change(key, { checkpointScn: batch.checkpointScn });
  }

  flush(): Promise<Scn> {
    if (!this.capture) return Promise.reject(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    return this.capture.flush();
  }

  /** Freezes the piece and begins the next one. */
  async switchPiece(): Promise<void> {
    // As at a real end of a piece: it lies after the last commit, and the next commit after it.
    const nextScn = toScn((await this.flush()) + PIECE_GAP_NS);
    while (systemClock.nowNs() <= nextScn) await new Promise((resolve) => setTimeout(resolve, 1));
    await this.#freeze(nextScn);
    await this.#openPiece(this.#world.store.nextId(this.#tenant.tenantId, 'piece'), nextScn);
  }

  async #freeze(endScn: Scn): Promise<void> {
    const piece = this.#piece!;
    await piece.segment.close();
    const { destId, roundId, pieceId, startScn, maxScn, firstBatchHash, info } = piece;
    const checkpointScn = endScn;
    await this.#destination.put(
      pieceInfoName(piece),
      pieceInfoFile.encode({
        ...this.#owner,
        ...{ destId, roundId, pieceId, startScn, endScn, checkpointScn, maxScn, firstBatchHash },
        segments: info ? [info] : [],
        inputBytes: 0n,
        outputBytes: 0n,
        lastBatchHash: info?.lastBatchHash ?? null,
        createdNs: startScn,
        frozenNs: startScn,
      }),
    );
  }

  /** Nothing is archived any more; the round stays as it is at the destination. */
  endRound(status: ArchiveRound['status'], comment = ''): void {
    const capture = this.capture;
    const segment = this.#piece?.segment;
    this.capture = undefined;
    this.#closing = (async () => {
      await capture?.stop({ isAbandoned: status === 'INTERRUPTED' });
      await segment?.close();
    })();
    const key = { tenantId: this.#tenant.tenantId, roundId: this.#roundId };
    this.#world.store.rounds.change(key, { status, comment });
  }

  async stop(): Promise<void> {
    if (this.capture) this.endRound('STOP');
    await this.#closing;
    await this.#destination[Symbol.asyncDispose]();
  }
}

/** One state of a tenant: what its file held after the commit with that scn. */
export interface KnownState {
  scn: Scn;
  bytes: Buffer;
}

export interface WorldOptions {
  /** Directory that several worlds share: the destinations; default: a new one. */
  root?: string;
  log?: Log;
  pipeline?: Pipeline;
  open?: (uri: DestinationUri) => Destination;
  copyTiming?: CopyTiming;
}

/** One server. */
export class World implements AsyncDisposable {
  readonly root: string;
  readonly dataDir: string;
  store: Store;
  readonly driver = new FakeDriver();
  readonly pipeline: Pipeline;
  backup: BackupService;
  restore: RestoreService;
  standby: StandbyService;
  readonly archives = new Map<number, TestArchive>();
  readonly #ownsRoot: boolean;
  readonly #options: WorldOptions;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.#ownsRoot = options.root === undefined;
    this.root = options.root ?? mkdtempSync(join(tmpdir(), 'holdfast-world-'));
    this.dataDir = mkdtempSync(join(this.root, 'server-'));
    this.store = this.#openStore();
    this.pipeline = options.pipeline ?? createPipeline({ log: silentLog, workers: 1 });
    [this.backup, this.restore, this.standby] = this.#services();
  }

  #openStore(): Store {
    return openStore(this.dataDir, { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  }

  #services(): [BackupService, RestoreService, StandbyService] {
    const archive: BackupArchive & RestoreArchive = {
      capture: (tenantId) => this.archives.get(tenantId)?.capture,
      flush: (tenantId) => this.archive(tenantId).flush(),
      interrupt: (tenantId, because) => this.archive(tenantId).endRound('INTERRUPTED', because),
    };
    const shared = {
      store: this.store,
      clock: systemClock,
      log: this.#options.log ?? silentLog,
      driver: this.driver,
      openDestination: this.#options.open ?? ((uri: DestinationUri) => openDestination(uri)),
      pipeline: this.pipeline,
      archive,
      cores: 2,
    };
    const backup: BackupDependencies = {
      ...shared,
      engineTenant: (tenant) => this.engineTenant(tenant),
      pageMapPath: (tenantId) => this.pageMapPath(tenantId),
      ...(this.#options.copyTiming ? { copyTiming: this.#options.copyTiming } : {}),
    };
    const restore: RestoreDependencies = {
      ...shared,
      tenantLocation: (tenantId, name) => join(this.dataDir, 'tenants', `${name}-${tenantId}`, 'data.db'),
    };
    const timing = { pollMs: 10, retryMsMax: 40, idleMs: 0 };
    const standby = createStandby({ ...shared, timing, engineTenant: (tenant) => this.engineTenant(tenant) });
    return [createBackup(backup), createRestore(restore), standby];
  }

  pageMapPath(tenantId: number): string {
    return join(this.dataDir, 'page_maps', `${tenantId}.map`);
  }

  engineTenant({ tenantId, name, mode, location, role }: Tenant) {
    return { tenantId, name, mode, location, isReadOnly: role !== 'PRIMARY', maxCpu: 1 };
  }

  formatFile(tenant: Tenant, destKind: 'archive_log' | 'backup_data', destId: number) {
    const { cluster } = this.store;
    return {
      formatVersion: 1,
      clusterName: cluster.name,
      clusterId: cluster.clusterId,
      clusterUuid: cluster.uuid,
      tenantId: tenant.tenantId,
      tenantName: tenant.name,
      destKind,
      destId,
      createdNs: systemClock.nowNs(),
    };
  }

  archive(tenantId: number): TestArchive {
    const archive = this.archives.get(tenantId);
    if (!archive) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    return archive;
  }

  /** Makes a tenant with a database of its own. */
  async addTenant(name: string): Promise<Tenant> {
    const tenantId = this.store.nextId(1, 'tenant');
    const directory = join(this.dataDir, 'own', name);
    mkdirSync(directory, { recursive: true });
    const tenant: Tenant = {
      tenantId,
      name,
      mode: 'mysql',
      role: 'PRIMARY',
      status: 'NORMAL',
      engine: 'fake',
      location: join(directory, 'data.db'),
      isAdopted: false,
      timeZone: '+08:00',
      isArchiveMode: true,
      lastScn: SCN_NONE,
      recoveryUntilScn: SCN_NONE,
      poolName: null,
      comment: '',
      createdNs: 1n,
    };
    this.store.tenants.insert(tenant);
    const nativeHash = new Uint8Array(20).fill(tenantId % 251);
    this.store.accounts.insert({ ...accountWithoutPassword(tenantId, 'root'), nativeHash, sha2Hash: nativeHash });
    await this.driver.create(this.engineTenant(tenant));
    return tenant;
  }

  uri(name: string, kind: 'data' | 'archive'): string {
    return `file://${join(this.root, 'backup', name, kind)}`;
  }

  uris(name: string): string[] {
    return [this.uri(name, 'data'), this.uri(name, 'archive')];
  }

  async startArchive(tenant: Tenant, options: { repairs?: boolean } = {}): Promise<TestArchive> {
    const archive =
      this.archives.get(tenant.tenantId) ?? new TestArchive(this, tenant, this.uri(tenant.name, 'archive'));
    this.archives.set(tenant.tenantId, archive);
    await archive.startRound(options);
    return archive;
  }

  /** A tenant that can be backed up. */
  async addReadyTenant(name: string): Promise<Tenant> {
    const tenant = await this.addTenant(name);
    await this.startArchive(tenant);
    await this.backup.setDataDest(tenant.tenantId, this.uri(name, 'data'));
    return tenant;
  }

  /** One commit; @returns its scn and the whole file after it. */
  async commit(tenant: Tenant, changes: Record<string, string | null>): Promise<KnownState> {
    const session = await this.driver.openSession(this.engineTenant(tenant));
    const { signal } = new AbortController();
    await session.execute('begin', [], signal);
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) await session.execute('delete ?', [key], signal);
      else await session.execute('put ? ?', [key, value], signal);
    }
    await session.execute('commit', [], signal);
    await session.close();
    const scn = this.archives.get(tenant.tenantId)?.capture?.status().maxScn ?? SCN_NONE;
    return { scn, bytes: readFileSync(tenant.location) };
  }

  /** A backup, waited for; full unless asked otherwise. @returns its job */
  async backUp(tenant: Tenant, password: string | null = null, { isIncremental = false } = {}) {
    await this.backup.startBackup({
      initiatorTenantId: tenant.tenantId,
      tenants: [tenant.tenantId],
      level: 'USER_TENANT',
      isIncremental,
      isPlusArchivelog: false,
      description: '',
      password,
    });
    await until('the backup ends', () => !this.backup.isBusy(tenant.tenantId));
    return this.store.backupJobs.find({ tenantId: tenant.tenantId }).at(-1)!;
  }

  /** A restore, waited for. @returns its job */
  async restoreTo(tenantName: string, of: Partial<RestoreRequest> & { uris: readonly string[] }) {
    const request: RestoreRequest = {
      tenantName,
      target: { kind: 'newest' },
      option: '',
      passwords: [],
      description: '',
      ...of,
    };
    await this.restore.restore(request);
    const job = () => this.store.restoreJobs.find({ restoreTenantName: tenantName }).at(-1);
    await until('the restore ends', () => (job()?.endNs ?? null) !== null);
    return job()!;
  }

  /** The world's own archive keeps no rows of pieces: they are read from where they lie. */
  async recordPieces({ tenantId, name }: Tenant): Promise<void> {
    const { store } = this;
    const uri = this.uri(name, 'archive');
    const destination = openDestination(parseDestinationUri(uri));
    const round = store.rounds.find({ tenantId }).at(-1)!;
    for (const piece of await listPieces(destination)) {
      const info = piece.isFrozen ? await readPieceInfo(destination, piece) : undefined;
      const { startScn, checkpointScn, maxScn, endScn } = info ?? {
        ...round,
        // It knows of no commit in a piece that still grows.
        maxScn: round.startScn,
        endScn: round.checkpointScn,
      };
      store.pieces.insert({
        ...{ tenantId, destId: piece.destId, roundId: piece.roundId, pieceId: piece.pieceId, createdUs: 1n, uri },
        ...{ startScn, checkpointScn, maxScn, endScn, inputBytes: 1n, outputBytes: 1n, lockedUntilNs: 0n },
        status: piece.isFrozen ? 'FROZEN' : 'ACTIVE',
        fileStatus: 'AVAILABLE',
      });
    }
    store.archiveDests.insert({
      ...{ tenantId, destId: round.destId, uri, binding: 'OPTIONAL', state: 'ENABLE' },
      ...{ pieceSwitchIntervalUs: 1n, pieceSwitchIntervalText: '1d' },
    });
  }

  /** The services end as at a planned stop and begin again on the same store, as a new process would. */
  async restart(): Promise<void> {
    await this.backup.stop();
    await this.restore.stop();
    await this.standby.stop();
    this.store[Symbol.dispose]();
    this.store = this.#openStore();
    [this.backup, this.restore, this.standby] = this.#services();
  }

  start(): void {
    this.backup.start();
    this.restore.start();
    this.standby.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backup.stop();
    await this.restore.stop();
    await this.standby.stop();
    for (const archive of this.archives.values()) await archive.stop();
    await this.driver[Symbol.asyncDispose]();
    if (!this.#options.pipeline) await this.pipeline[Symbol.asyncDispose]();
    this.store[Symbol.dispose]();
    if (this.#ownsRoot) rmSync(this.root, { recursive: true, force: true });
  }
}
