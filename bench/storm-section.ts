// A storm for two: the same applications write to databases of their own, one set for Holdfast, one for Litestream; both
// programs are killed with -9 at the same moments, and started again. In the end both are killed once more and the
// machine is lost; then what lies at their destinations is restored, to the newest state and to moments of the storm, and
// compared with what the applications know they committed. Every database proves by itself which commits it holds.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Behaviour, FileApplication } from '../test/proof/application.ts';
import { BEHAVIOURS } from '../test/proof/behaviours.ts';
import { readChain } from '../test/proof/chain.ts';
import { SeededRandom } from '../test/proof/seeded-random.ts';
import type { BenchOptions } from './options.ts';
import type { Peer } from './peer.ts';
import { HoldfastPeer } from './peer-holdfast.ts';
import { litestreamPeer } from './peer-litestream.ts';
import { Report, say } from './report.ts';
import type { Scratch } from './scratch.ts';

/** Replacing the file under Litestream is not something it claims to follow: those applications are left out. */
const NAMES = ['calm', 'eager', 'truncating', 'closing'];
const RUN_MS = [2000, 6000] as const;
const DOWN_MS_MAX = 1500;
/** Both replicate within a second: what is older than that, and not said, counts as silently lost. */
const BEHIND_MS = 1500;
/** Moments that are restored per database. */
const MOMENTS = 10;
const SEED = 7;

interface Side {
  peer: Peer;
  applications: FileApplication[];
}

async function startApplications(dir: string): Promise<FileApplication[]> {
  const behaviours = NAMES.map((name) => BEHAVIOURS.find((behaviour) => behaviour.name === name)!);
  const start = async (behaviour: Behaviour) => {
    mkdirSync(join(dir, behaviour.name), { recursive: true });
    const application = new FileApplication(join(dir, behaviour.name), behaviour);
    await application.start();
    return application;
  };
  return await Promise.all(behaviours.map(start));
}

const databasesOf = (applications: readonly FileApplication[]) =>
  applications.map(({ path, behaviour }) => ({ name: behaviour.name, path }));

async function startSides(scratch: Scratch, options: BenchOptions): Promise<Side[]> {
  const sides: Side[] = [];
  const add = async (make: (dir: string, applications: FileApplication[]) => Peer | undefined) => {
    const dir = scratch.newDir('storm');
    const applications = await startApplications(join(dir, 'apps'));
    const peer = make(dir, applications);
    if (peer) sides.push({ peer, applications });
    else for (const application of applications) await application.stop();
  };
  await add((dir, applications) => new HoldfastPeer(scratch, dir, databasesOf(applications)));
  const may = { mayInstall: !options.isSmoke };
  await add((dir, applications) => litestreamPeer(dir, databasesOf(applications), may));
  return sides;
}

/** @returns moments of the storm that are to be restored */
async function storm(sides: readonly Side[], rounds: number): Promise<number[]> {
  const random = new SeededRandom(SEED);
  const spans: [number, number][] = [];
  for (let round = 0; round < rounds; round++) {
    const startMs = Date.now();
    await sleep(random.between(...RUN_MS));
    await Promise.all(sides.map(({ peer }) => peer.kill()));
    await sleep(random.next() * DOWN_MS_MAX);
    const tookMs = await Promise.all(sides.map(({ peer }) => peer.start()));
    spans.push([startMs, Date.now()]);
    const took = sides.map(({ peer }, i) => `${peer.name} back after ${tookMs[i]!.toFixed(0)} ms`);
    say(`   round ${round + 1} of ${rounds}: ${took.join(', ')}`);
  }
  await sleep(RUN_MS[1]);
  return Array.from({ length: MOMENTS }, () => Math.floor(random.between(...random.pick(spans))));
}

/** What became of one restore. */
interface Judgement {
  isRefused: boolean;
  isWrong: boolean;
  /** How long before the moment the oldest commit was done that is missing, ms; 0 for none. */
  behindMs: number;
  missingCommits: number;
}

async function judge(
  peer: Peer,
  application: FileApplication,
  at: { ms: number; isNewest: boolean; to: string },
): Promise<Judgement> {
  const { behaviour, path, model, life } = application;
  const outcome = await peer.restore({ name: behaviour.name, path }, at.to, at.isNewest ? undefined : at.ms);
  const judgement: Judgement = { isRefused: false, isWrong: false, behindMs: 0, missingCommits: 0 };
  if (outcome.kind === 'refused') return { ...judgement, isRefused: true };
  const { n, digest, problems } = readChain(at.to);
  for (const ending of ['', '-wal', '-shm']) rmSync(at.to + ending, { force: true });
  const known = model.commit(life, n);
  if (problems.length > 0 || (known && known.digest !== digest)) {
    say(`   ${peer.name}, ${behaviour.name}: ${problems.join('; ') || 'another history'}`);
    return { ...judgement, isWrong: true };
  }
  const expected = model.committedBy(life, at.ms);
  const oldest = model.commit(life, n + 1);
  if (n >= expected) return judgement;
  return { ...judgement, behindMs: at.ms - (oldest?.doneMs ?? at.ms), missingCommits: expected - n };
}

async function judgeSide({ peer, applications }: Side, of: { moments: number[]; endMs: number; dir: string }) {
  const newest: Judgement[] = [];
  const earlier: Judgement[] = [];
  const startMs = Date.now();
  for (const application of applications) {
    application.model.refresh();
    const to = (name: string) => join(of.dir, `${peer.name.split(' ')[0]}-${application.behaviour.name}-${name}.db`);
    newest.push(await judge(peer, application, { ms: of.endMs, isNewest: true, to: to('newest') }));
    for (const [i, ms] of of.moments.entries())
      earlier.push(await judge(peer, application, { ms, isNewest: false, to: to(String(i)) }));
  }
  const restoreSeconds = (Date.now() - startMs) / 1000 / (newest.length + earlier.length);
  const all = [...newest, ...earlier];
  const { bytes, files, fullCopies } = peer.stored();
  return {
    commits: applications.reduce((sum, { model }) => sum + model.commitCount, 0),
    'newest: commits lost': newest.reduce((sum, { missingCommits }) => sum + missingCommits, 0),
    'newest: ms lost': Math.max(...newest.map(({ behindMs }) => behindMs)),
    restores: all.length,
    'refused, said why': all.filter(({ isRefused }) => isRefused).length,
    'silently older': earlier.filter(({ behindMs }) => behindMs > BEHIND_MS).length,
    'oldest by ms': Math.max(...earlier.map(({ behindMs }) => behindMs)),
    wrong: all.filter(({ isWrong }) => isWrong).length,
    's per restore': restoreSeconds,
    'full copies': fullCopies,
    files,
    'MB stored': bytes / 1e6,
  };
}

async function runOnce(scratch: Scratch, report: Report, options: BenchOptions): Promise<void> {
  const sides = await startSides(scratch, options);
  try {
    await Promise.all(sides.map(({ peer }) => peer.start()));
    const moments = await storm(sides, options.stormRounds);
    const endMs = Date.now();
    await Promise.all(sides.map(({ peer }) => peer.kill()));
    for (const { applications } of sides) for (const application of applications) await application.stop();
    const dir = scratch.newDir('restored');
    for (const side of sides) {
      await side.peer.loseMachine();
      report.add(side.peer.name, await judgeSide(side, { moments, endMs, dir }));
      await side.peer.kill();
    }
  } finally {
    for (const { peer, applications } of sides) {
      await peer.kill();
      for (const application of applications) await application.stop();
    }
  }
}

export async function stormSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('storm');
  for (let run = 0; run < options.runs; run++) await runOnce(scratch, report, options);
  report.note(
    `${options.stormRounds} rounds of kill -9; applications: ${NAMES.join(', ')}; both programs at their defaults`,
  );
  report.note(
    `newest: committed before the last kill and not at the destination; silently older: a restore to a moment`,
  );
  report.note(
    `that lacks commits done more than ${BEHIND_MS} ms before it, without an error; refused: an error says why`,
  );
  report.note('Litestream 0.5 is not in the package registry that this benchmark uses: this is the last 0.3');
  return report;
}
