// One randomised storm: writer processes at full speed, snapshots, refused batches, and a disruption in the middle; then
// every round that came of it is rebuilt and compared. All choices follow from the seed; the processes' timing does not.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import { isFailure } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import { encodePageMap } from '../../format/page-map-file.ts';
import type { Scn } from '../../model/scn.ts';
import type { Capture, CaptureRequest } from '../engine-driver.ts';
import {
  checkChecksums,
  createDatabase,
  differences,
  type Image,
  logicalState,
  MemoryArchive,
  makeDirectory,
  mapOf,
  OWNER,
  readLive,
  readSnapshotPages,
  removeDirectory,
  replay,
  startWriter,
  type Writer,
} from './capture.fixture.ts';
import { SqliteCaptureHosts, startSqliteCapture } from './capture.ts';
import type { LockFigures } from './capture-messages.ts';

export interface StormOptions {
  seed: number;
  durationMs: number;
}

export interface StormResult {
  what: string;
  committed: number;
  rolledBack: number;
  rounds: number;
  repairs: number;
  snapshots: number;
  /** Snapshots that the capture knew the checksum of, and commits whose checksum was checked. */
  snapshotChecksums: number;
  commitChecksums: number;
  /** What differed; empty when all is well. */
  mismatches: string[];
  locks: LockFigures | undefined;
  writerMaxMs: number;
}

const HASH_BYTES = 32;

/** A small generator with a seed, so that a storm can be run again. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

interface State {
  scn: Scn;
  image: Image;
}

/** One round of the archive: what was delivered, and the states that were copied meanwhile. */
interface Round {
  /** End of the round before, when this one repairs the gap. */
  base: State | undefined;
  archive: MemoryArchive;
  copies: (State & { checksum: bigint | null })[];
  commitChecksums: number;
  capture: Capture;
  gap: string | undefined;
}

interface Storm {
  directory: string;
  path: string;
  hosts: SqliteCaptureHosts;
  random: (below: number) => number;
  lagTargetMs: number;
  refusePercent: number;
  rounds: Round[];
}

async function beginRound(storm: Storm): Promise<Round> {
  const last = storm.rounds.at(-1);
  const base = last && storm.random(4) > 0 ? endOf(last) : undefined;
  const prevHash = base ? last!.archive.position!.batchHash : new Uint8Array(HASH_BYTES);
  const archive = new MemoryArchive({ prevHash });
  const round: Round = {
    ...{ archive, base, copies: [], commitChecksums: 0, gap: undefined },
    capture: undefined as unknown as Capture,
  };
  const pageMapPath = join(storm.directory, 'base.map');
  if (base) {
    const { clusterUuid, tenantId, roundId } = OWNER;
    const point = { roundId, scn: base.scn, map: mapOf(base.image) };
    writeFileSync(pageMapPath, encodePageMap(point, { clusterUuid, tenantId, setUuid: '' }, null));
  }
  round.capture = await attach(storm, round, base && { repair: { prevHash, pageMapPath }, afterScn: base.scn });
  archive.beforeAccept = () => {
    if (storm.random(100) < storm.refusePercent) throw new Error('refused by the storm');
  };
  storm.rounds.push(round);
  return round;
}

/** Where the log of a round ends; undefined when nothing tells its state there. */
function endOf({ archive, base, copies }: Round): State | undefined {
  const first = base ?? copies[0];
  if (!first) return undefined;
  const { scn } = archive.position!;
  return scn < first.scn ? undefined : { scn, image: replay(first.image, first.scn, archive.commits, scn) };
}

function attach(storm: Storm, round: Round, over: Partial<CaptureRequest> = {}): Promise<Capture> {
  const { lagTargetMs, hosts, path } = storm;
  const pageMapPath = join(storm.directory, 'pages.map');
  const onGap = (because: string) => {
    round.gap = because;
  };
  return startSqliteCapture(hosts, round.archive.request(path, { lagTargetMs, onGap, pageMapPath, ...over }));
}

async function copy(round: Round): Promise<void> {
  const snapshot = await round.capture.snapshot();
  const image = readSnapshotPages(snapshot);
  await snapshot.close();
  round.copies.push({ scn: snapshot.scn, image, checksum: snapshot.databaseChecksum });
}

/** A copy that may fail because the storm took the host or the round away. */
async function tryCopy(round: Round): Promise<void> {
  try {
    await copy(round);
  } catch (error) {
    const isExpected = ['ENGINE', 'LOG_ARCHIVE_NOT_RUNNING', 'CLOG_RECYCLE_BEFORE_ARCHIVE'] as const;
    if (!isExpected.some((name) => isFailure(error, name))) throw error;
  }
}

const DISRUPTIONS = ['none', 'kill host', 'kill host', 'stop and resume', 'kill writer'] as const;

async function disrupt(storm: Storm, what: (typeof DISRUPTIONS)[number], writers: Writer[]): Promise<void> {
  const round = storm.rounds.at(-1)!;
  if (what === 'kill host') {
    const pid = storm.hosts.hostPid;
    assert(pid, 'a host runs');
    process.kill(pid, 'SIGKILL');
    await sleep(200);
  } else if (what === 'stop and resume') {
    await round.capture.stop();
    await sleep([0, 20, 300][storm.random(3)]!);
    try {
      round.capture = await attach(storm, round);
    } catch (error) {
      if (!isFailure(error, 'CLOG_RECYCLE_BEFORE_ARCHIVE')) throw error;
      round.gap = error.message;
    }
  } else if (what === 'kill writer') await writers.pop()!.kill();
}

/** Runs one storm and checks everything that came of it. */
export async function runStorm({ seed, durationMs }: StormOptions): Promise<StormResult> {
  const random = seededRandom(seed);
  const pick = <T>(values: readonly T[]): T => values[random(values.length)]!;
  const directory = makeDirectory();
  const path = join(directory, 'data.db');
  const hosts = new SqliteCaptureHosts({ log: silentLog });
  const pageSize = pick([512, 1024, 4096, 4096, 4096, 16384, 65536]);
  const rollbackPercent = pick([0, 20, 50, 50]);
  const writerOptions = {
    path,
    autocheckpoint: pick([10, 50, 1000, 1000]),
    synchronous: pick(['OFF', 'NORMAL', 'NORMAL', 'FULL'] as const),
    cachePages: rollbackPercent > 0 ? 5 : 0,
    rollbackPercent,
    rowsMax: pick([3, 20]),
    bodyMax: pick([100, 1000, 6000]),
    vacuumOneIn: pick([0, 0, 200]),
    truncateOneIn: pick([0, 0, 0, 100]),
    reconnectOneIn: pick([0, 30]),
    pauseMs: pick([0, 0, 0, 3]),
    commitsMax: pageSize > 4096 ? 500 : 2000,
  };
  const storm: Storm = {
    directory,
    path,
    hosts,
    random,
    lagTargetMs: pick([0, 0, 100, 120_000]),
    refusePercent: pick([0, 0, 10]),
    rounds: [],
  };
  const writerCount = 1 + random(3);
  const disruption = pick(DISRUPTIONS);
  try {
    createDatabase(path, { pageSize });
    await beginRound(storm);
    await copy(storm.rounds[0]!);
    const writers: Writer[] = [];
    for (let writer = 1; writer <= writerCount; writer++)
      writers.push(await startWriter({ ...writerOptions, writer, seed: seed * 10 + writer }));
    await sleep(durationMs * 0.3);
    await tryCopy(storm.rounds.at(-1)!);
    await disrupt(storm, disruption, writers);
    await sleep(durationMs * 0.2);
    if (storm.rounds.at(-1)!.gap !== undefined) await beginRound(storm);
    await tryCopy(storm.rounds.at(-1)!);
    await sleep(durationMs * 0.5);
    const results = await Promise.all(writers.map((writer) => writer.stop()));
    const mismatches = await finish(storm, disruption === 'kill writer');
    const locks = await hosts.lockFigures();
    const { pageSize: _, ...shown } = { pageSize, ...writerOptions, path: undefined };
    return {
      what: JSON.stringify({ pageSize, ...shown, writerCount, disruption, lag: storm.lagTargetMs }),
      committed: results.reduce((sum, result) => sum + result.committed, 0),
      rolledBack: results.reduce((sum, result) => sum + result.rolledBack, 0),
      rounds: storm.rounds.length,
      repairs: storm.rounds.filter(({ base }) => base).length,
      snapshots: storm.rounds.reduce((sum, round) => sum + round.copies.length, 0),
      snapshotChecksums: storm.rounds.flatMap(({ copies }) => copies).filter(({ checksum }) => checksum !== null)
        .length,
      commitChecksums: storm.rounds.reduce((sum, round) => sum + round.commitChecksums, 0),
      mismatches,
      locks,
      writerMaxMs: Math.max(0, ...results.map((result) => result.maxMs)),
    };
  } finally {
    await hosts[Symbol.asyncDispose]();
    removeDirectory(directory);
  }
}

/**
 * Everything is at rest: the last round must end in the live database, each round must be right at every scn.
 * @param mayBeUnpublished a writer was killed, perhaps behind the last frame of a commit and before it published it:
 *   then nobody has seen that commit until the log is recovered, which its first reader of all does
 */
async function finish(storm: Storm, mayBeUnpublished: boolean): Promise<string[]> {
  // A gap that nobody looked at: a new round at rest still has to be right.
  const endScn = await storm.rounds
    .at(-1)!
    .capture.flush()
    .catch((error: unknown) => {
      if (storm.rounds.at(-1)!.gap === undefined) throw error;
      return undefined;
    });
  if (storm.rounds.at(-1)!.gap !== undefined) await beginRound(storm);
  const last = storm.rounds.at(-1)!;
  if (last.copies.length === 0) await copy(last);
  let scn = storm.rounds.length === 1 && endScn !== undefined ? endScn : await last.capture.flush();
  await last.capture.stop();
  const live = readLive(storm.path, storm.directory);
  const differencesAtEnd = (): string[] => {
    const base = last.base ?? last.copies[0];
    return differences(replay(base!.image, base!.scn, last.archive.commits, scn), live);
  };
  let pages = differencesAtEnd();
  if (pages.length > 0 && mayBeUnpublished) {
    last.capture = await attach(storm, last);
    scn = await last.capture.flush();
    await last.capture.stop();
    pages = differencesAtEnd();
  }
  const problems = storm.rounds.flatMap((round, i) =>
    round.copies.length > 0 ? checkRound(storm, round).map((text) => `round ${i + 1}: ${text}`) : [],
  );
  if (pages.length > 0) problems.push(`the end differs from the live database: ${pages.slice(0, 5).join(', ')}`);
  return problems;
}

function checkRound(storm: Storm, round: Round): string[] {
  const problems: string[] = [];
  const { commits } = round.archive;
  const base = round.base ?? round.copies[0];
  assert(base, 'a round has a base');
  const { checked, wrong } = checkChecksums(base.image, base.scn, commits);
  round.commitChecksums = checked;
  if (wrong.length > 0) problems.push(`${wrong.length} of ${checked} checksums are wrong, the first at ${wrong[0]}`);
  for (const { scn, image, checksum } of round.copies) {
    if (checksum !== null && checksum !== mapOf(image).checksum)
      problems.push(`the checksum of the copy at ${scn} is wrong`);
    const pages = differences(replay(base.image, base.scn, commits, scn), image);
    if (pages.length > 0) problems.push(`the copy at ${scn} differs: ${pages.slice(0, 5).join(', ')}`);
  }
  const later = commits.filter((commit) => commit.scn > base.scn);
  const picked = new Set<number>();
  for (let i = 0; i < 3 && later.length > 1; i++) {
    const at = storm.random(later.length - 1);
    picked.add(at).add(at + 1);
  }
  if (later.length > 0) picked.add(later.length - 1);
  let before = { at: -1, marker: 0 };
  for (const at of [...picked].sort((a, b) => a - b)) {
    const state = logicalState(replay(base.image, base.scn, commits, later[at]!.scn), storm.directory);
    const name = `commit ${at + 1} of ${later.length}`;
    if (state.integrity !== 'ok') problems.push(`${name}: ${state.integrity}`);
    if (state.marker < 0) problems.push(`${name}: commits are missing among its markers`);
    if (state.state !== state.marker) problems.push(`${name}: state ${state.state}, marker ${state.marker}`);
    const steps = state.marker - before.marker;
    if (before.at >= 0 && (steps < 0 || steps > at - before.at)) problems.push(`${name}: ${steps} markers more`);
    before = { at, marker: state.marker };
  }
  return problems;
}
