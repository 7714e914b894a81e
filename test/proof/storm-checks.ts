// What is checked after each round of a kill storm: restores against the model, the reference and the live database, and
// holes, which nothing may be restored from.
import { linkSync, rmSync } from 'node:fs';
import { type ClientError, failure, query, restore } from '../e2e/holdfast-fixture.ts';
import { type ChainState, readChain } from './chain.ts';
import { compareFiles, sha256Of } from './reference.ts';
import type { StormGround } from './storm-ground.ts';
import {
  archivedScn,
  isWithin,
  NS_PER_MS,
  restoreWindows,
  roundOf,
  SEEN_MS_MAX,
  type Window,
  windowsText,
} from './tenant-queries.ts';
import type { TenantUnderTest } from './tenant-under-test.ts';

/** A file that took the place of another is noticed within this. */
const REPLACED_MS_MAX = 1500;
/** Scns of commits are whole microseconds. */
const SCN_STEP_NS = 1000n;
const OUT_OF_WINDOW = [9077, 9119];

export class StormChecks {
  readonly #ground: StormGround;
  #restoreNo = 0;

  constructor(ground: StormGround) {
    this.#ground = ground;
  }

  /** Keeps what the views promise of a tenant now: it is checked by the tenant's next restores. */
  async noteClaim(tenant: TenantUnderTest): Promise<void> {
    const [row] = await query(this.#ground.sys, roundOf(tenant.name));
    const scn = BigInt(row!.CHECKPOINT_SCN!);
    if (isWithin(await restoreWindows(this.#ground.sys, tenant.name), scn)) tenant.claim = { scn };
  }

  /** A backup now and then; the views' promise; a moment anywhere; the live database; a hole. */
  async checkTenant(tenant: TenantUnderTest): Promise<void> {
    const { random } = this.#ground;
    if (random.isIn(40)) await this.#ground.backUp(tenant, random.pick(['FULL', 'INCREMENTAL', 'INCREMENTAL']));
    const windows = await restoreWindows(this.#ground.sys, tenant.name);
    const scns = new Set<bigint>();
    const { claim } = tenant;
    if (claim) {
      if (isWithin(windows, claim.scn)) scns.add(claim.scn);
      else if (windows.some(({ from }) => from <= claim.scn))
        this.#ground.lose(tenant, `${claim.scn} was archived; restorable: ${windowsText(windows)}`);
    }
    const window = random.pick(windows);
    if (window) scns.add(random.bigBetween(window.from, window.to));
    for (const scn of [...scns].sort((a, b) => (a < b ? -1 : 1))) await this.#checkScn(tenant, scn);
    if (random.isIn(60)) await this.checkLive(tenant);
    if (tenant.verified.length > 0 && random.isIn(25)) await this.#checkScn(tenant, random.pick(tenant.verified).scn);
    await this.#checkHoles(tenant, windows);
  }

  async #restoreFile(tenant: TenantUnderTest, until: string): Promise<string | undefined> {
    const name = `r${++this.#restoreNo}`;
    const location = this.#ground.fixture.path('restored', `${name}.db`);
    const job = await restore(
      this.#ground.sys,
      name,
      `${this.#ground.from(tenant)} ${until} WITH 'location=${location}'`,
    );
    this.#ground.figures.restores++;
    if (job.STATUS !== 'SUCCESS') {
      this.#ground.fail(tenant.name, `restore ${until}: ${job.STATUS} ${job.COMMENT}`);
      return undefined;
    }
    // Dropping a restored tenant takes its file away: what is looked at is another name of it.
    const kept = this.#ground.fixture.path('copies', `${name}.db`);
    linkSync(location, kept);
    await this.#ground.sys.query(`DROP TENANT ${name} FORCE`);
    return kept;
  }

  /** Restores to one scn and compares with everything that is known of it. */
  async #checkScn(tenant: TenantUnderTest, scn: bigint): Promise<void> {
    const path = await this.#restoreFile(tenant, `UNTIL SCN = ${scn}`);
    if (path === undefined) return;
    await this.#compareWithReference(tenant, scn, path);
    const sha256 = sha256Of(path);
    const state = readChain(path);
    removeDatabase(path);
    this.#checkState(tenant, scn, state);
    const same = tenant.verified.find((verified) => verified.scn === scn);
    if (same && same.sha256 !== sha256) this.#ground.undetected(tenant, `scn ${scn} gives other bytes than before`);
    if (!same) tenant.verified.push({ scn, life: state.nonce, n: state.n, sha256 });
  }

  async #compareWithReference(tenant: TenantUnderTest, scn: bigint, path: string): Promise<void> {
    const { reference } = tenant;
    if (scn < reference.scn) return;
    const before = readChain(reference.path);
    const { commits, rounds } = await reference.advanceTo(scn);
    const compared = compareFiles(path, reference.path);
    if (typeof compared === 'string')
      this.#ground.undetected(tenant, `scn ${scn} is not what the log says: ${compared}`);
    else this.#ground.figures.bytesCompared += compared;
    const after = readChain(reference.path);
    if (rounds === 0 && before.nonce === after.nonce && after.n - before.n > commits)
      this.#ground.undetected(
        tenant,
        `commits ${before.n} to ${after.n} are only ${commits} in the log, and no hole is shown`,
      );
  }

  /** The state is whole, is one that was, and lies where time says. */
  #checkState(tenant: TenantUnderTest, scn: bigint, state: ChainState): void {
    const { model } = tenant.application;
    model.refresh();
    if (state.problems.length > 0) {
      this.#ground.undetected(tenant, `scn ${scn}: ${state.problems.join('; ')}`);
      return;
    }
    const commit = model.commit(state.nonce, state.n);
    if (commit && commit.digest !== state.digest)
      this.#ground.undetected(tenant, `scn ${scn} has another commit ${state.n} than was made`);
    if (!commit && state.n > 0 && model.committedBy(state.nonce, Number.MAX_SAFE_INTEGER) + 1 < state.n)
      this.#ground.undetected(tenant, `scn ${scn} has a commit ${state.n} that nobody made`);
    const scnMs = Number(scn / NS_PER_MS);
    if (commit && commit.begunMs > scnMs + 1)
      this.#ground.undetected(
        tenant,
        `scn ${scn} holds commit ${state.n}, which began ${commit.begunMs - scnMs} ms later`,
      );
    const life = tenant.application.lifeAt(scnMs - REPLACED_MS_MAX);
    if (state.nonce !== life && state.nonce !== tenant.application.lifeAt(scnMs))
      this.#ground.lose(tenant, `scn ${scn} holds the file ${state.nonce}, but ${life} was there`);
    const { claim } = tenant;
    if (claim && scn >= claim.scn) {
      const claimed = model.committedBy(state.nonce, Number(claim.scn / NS_PER_MS) - SEEN_MS_MAX);
      if (state.n < claimed)
        this.#ground.lose(tenant, `commit ${claimed} was archived, scn ${scn} ends with ${state.n}`);
    }
    for (const { scn: other, life, n } of tenant.verified)
      if (life === state.nonce && (other < scn ? n > state.n : other > scn ? n < state.n : n !== state.n))
        this.#ground.undetected(tenant, `scn ${scn} holds commit ${state.n}, but scn ${other} holds ${n}`);
  }

  /** The live database under its write lock is what a restore to that moment gives, byte for byte. */
  async checkLive(tenant: TenantUnderTest): Promise<void> {
    const copyPath = this.#ground.fixture.path('copies', `${tenant.name}.live`);
    const { copy, result } = await tenant.application.copyLive(copyPath, () =>
      archivedScn(this.#ground.sys, tenant.name, Date.now()),
    );
    const path = await this.#restoreFile(tenant, `UNTIL SCN = ${result.scn}`);
    if (path !== undefined) {
      const compared = compareFiles(path, copy.path);
      if (typeof compared === 'number') this.#ground.figures.bytesCompared += compared;
      else {
        const { n } = readChain(path);
        this.#ground.lose(tenant, `the live database at commit ${copy.n}, scn ${result.scn} has ${n}: ${compared}`);
      }
      this.#ground.figures.liveCompares++;
      removeDatabase(path);
    }
    removeDatabase(copy.path);
  }

  /** Between two windows nothing can be restored; the error names both edges; and something happened there. */
  async #checkHoles(tenant: TenantUnderTest, windows: readonly Window[]): Promise<void> {
    const { random } = this.#ground;
    const holes = windows.flatMap((window, at) => {
      const next = windows[at + 1];
      return next && next.from > window.to + SCN_STEP_NS ? [{ after: window.to, before: next.from }] : [];
    });
    const hole = random.pick(holes);
    if (!hole) return;
    await this.#checkRefusal(tenant, hole);
    if (!random.isIn(30)) return;
    for (const edge of [hole.after, hole.before]) await this.#checkScn(tenant, edge);
    const [last, first] = [hole.after, hole.before].map((edge) => tenant.verified.find(({ scn }) => scn === edge));
    if (last && first && last.life === first.life && last.n === first.n) this.#ground.figures.emptyHoles++;
  }

  async #checkRefusal(tenant: TenantUnderTest, hole: { after: bigint; before: bigint }): Promise<void> {
    const scn = this.#ground.random.bigBetween(hole.after + 1n, hole.before - 1n);
    const statement = `ALTER SYSTEM RESTORE hole ${this.#ground.from(tenant)} UNTIL SCN = ${scn} WITH ''`;
    const error: ClientError | undefined = await failure(this.#ground.sys.query(statement)).catch(() => undefined);
    if (!error) {
      this.#ground.undetected(tenant, `a restore to ${scn} inside the hole was accepted`);
      return;
    }
    const isNamed = [hole.after, hole.before].every((edge) => error.sqlMessage?.includes(String(edge)));
    if (!OUT_OF_WINDOW.includes(error.errno) || !isNamed)
      this.#ground.fail(
        tenant.name,
        `scn ${scn} in the hole ${hole.after} to ${hole.before}: ${error.errno} ${error.message}`,
      );
    this.#ground.figures.refusedInHoles++;
  }
}

function removeDatabase(path: string): void {
  for (const ending of ['', '-wal', '-shm']) rmSync(path + ending, { force: true });
}
