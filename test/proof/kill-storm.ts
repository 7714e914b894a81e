// The loop of the proof: applications write, something is killed, the server comes back, and what the views promise is
// restored and compared with the model (what the applications know they committed) and with the reference (byte for byte).
import { mkdirSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastFixture, query, waitFor } from '../e2e/holdfast-fixture.ts';
import { type Application, type Behaviour, FileApplication } from './application.ts';
import { Reference } from './reference.ts';
import type { SeededRandom } from './seeded-random.ts';
import { descendants, findChildren, killIfThere } from './server-processes.ts';
import { SqlApplication } from './sql-application.ts';
import { StormChecks } from './storm-checks.ts';
import type { Kill, StormFigures } from './storm-figures.ts';
import { StormGround } from './storm-ground.ts';
import { archivedScn, isArchived, ofTenant, restoreWindows, roundOf, windowsText } from './tenant-queries.ts';
import type { TenantUnderTest } from './tenant-under-test.ts';

/** What may happen; what stands here more often happens more often. */
const KILLS = [
  ...(['server', 'server', 'server', 'tree', 'tree', 'capture host', 'capture host'] as const),
  ...(['sql host', 'view host', 'host guard', 'pipeline worker', 'writer', 'file replaced'] as const),
] as const satisfies readonly Kill[];
const CHILD_PATTERN: Partial<Record<Kill, RegExp>> = {
  'capture host': /capture-host/,
  'sql host': /sql-host/,
  'view host': /view-host/,
  'host guard': /host-guard/,
  'pipeline worker': /pipeline\/worker/,
};

/** How long a tenant may take to be archived again after a start. */
const SETTLE_MS_MAX = 90_000;
/** A round that is still INTERRUPTED after this is not repaired by the server. */
const REPAIR_MS_MAX = 20_000;
/** Restoring a gigabyte takes long. */
const HUGE_EVERY_ROUNDS = 25;
const FAILURES_MAX = 5;
/** The server notices within this that a child of its has gone, and says so in its views. */
const NOTICED_MS = 300;

export interface StormOptions {
  behaviours: readonly Behaviour[];
  /** How long applications write before each kill. */
  runMs: readonly [from: number, to: number];
  /** Tenants that are checked in each round. */
  checksPerRound: number;
  random: SeededRandom;
  say: (text: string) => void;
}

export class KillStorm implements AsyncDisposable {
  readonly #options: StormOptions;
  readonly #ground: StormGround;
  readonly #checks: StormChecks;
  readonly #tenants: TenantUnderTest[] = [];
  readonly #applications: Application[] = [];

  private constructor(options: StormOptions, ground: StormGround) {
    this.#options = options;
    this.#ground = ground;
    this.#checks = new StormChecks(ground);
  }

  static async start(options: StormOptions): Promise<KillStorm> {
    const fixture = await HoldfastFixture.start();
    const { random, say } = options;
    const sys = await fixture.login('root@sys');
    const storm = new KillStorm(options, new StormGround(fixture, { sys, random, say }));
    mkdirSync(fixture.path('restored'));
    mkdirSync(fixture.path('copies'));
    try {
      const applications = await Promise.all(options.behaviours.map((behaviour) => storm.#startApplication(behaviour)));
      for (const application of applications) await storm.#adopt(application);
      await storm.#create('made');
      return storm;
    } catch (error) {
      await storm[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const application of this.#applications) await application.stop();
    await this.#ground.fixture[Symbol.asyncDispose]();
  }

  async #startApplication(behaviour: Behaviour): Promise<FileApplication> {
    const dir = this.#ground.fixture.path('apps', behaviour.name);
    mkdirSync(dir, { recursive: true });
    const application = new FileApplication(dir, behaviour);
    this.#applications.push(application);
    await application.start();
    return application;
  }

  async #adopt(application: FileApplication): Promise<void> {
    const { name, database } = application.behaviour;
    await this.#ground.sys.query(`CREATE TENANT ${name} LOCATION = '${application.path}'`);
    await this.#protect({
      name,
      application,
      everyRounds: database.ballastBytes === undefined ? 1 : HUGE_EVERY_ROUNDS,
    });
  }

  async #create(name: string): Promise<void> {
    mkdirSync(this.#ground.fixture.path('apps', name), { recursive: true });
    await this.#ground.sys.query(`CREATE TENANT ${name}`);
    const application = await SqlApplication.create(
      this.#ground.fixture,
      name,
      this.#ground.fixture.path('apps', name),
    );
    this.#applications.push(application);
    application.start();
    await this.#protect({ name, application, everyRounds: 1 });
  }

  async #protect(of: Pick<TenantUnderTest, 'name' | 'application' | 'everyRounds'>): Promise<void> {
    const { name } = of;
    const fixture = this.#ground.fixture;
    mkdirSync(fixture.path('backup', name), { recursive: true });
    const archive = fixture.uri('backup', name, 'archive');
    await this.#ground.sys.query(
      `ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${archive} PIECE_SWITCH_INTERVAL=1m' TENANT = ${name}`,
    );
    await this.#ground.sys.query(
      `ALTER SYSTEM SET DATA_BACKUP_DEST='${fixture.uri('backup', name, 'data')}' TENANT = ${name}`,
    );
    await this.#ground.sys.query(`ALTER SYSTEM ARCHIVELOG TENANT = ${name}`);
    const reference = new Reference(fixture.path('copies', `${name}.reference`), archive);
    const tenant: TenantUnderTest = { ...of, reference, claim: undefined, verified: [] };
    await this.#untilArchived(tenant);
    await this.#ground.backUp(tenant, 'FULL');
    await this.#rebase(tenant);
    this.#tenants.push(tenant);
  }

  /** One turn of the loop. */
  async runRound(): Promise<void> {
    const { random, runMs, say } = this.#options;
    this.#ground.round++;
    await sleep(random.between(...runMs));
    const kill = random.pick(KILLS);
    const work = await this.#beginWork(kill);
    await sleep(random.next() * 300);
    for (const tenant of this.#tenants) await this.#checks.noteClaim(tenant);
    const killed = await this.#kill(kill);
    this.#ground.figures.kills[killed] = (this.#ground.figures.kills[killed] ?? 0) + 1;
    await this.#settle();
    const checked = await this.#check();
    this.#ground.figures.rounds++;
    say(`round ${this.#ground.round}: ${work} killed ${killed}; checked ${checked.join(', ')}`);
    if (this.#ground.figures.failures.length >= FAILURES_MAX) throw new Error('too many failures to go on');
  }

  /** Statements that are under way when something dies. */
  async #beginWork(kill: Kill): Promise<string> {
    const { random } = this.#options;
    const tenant = random.pick(this.#tenants);
    const what = kill === 'pipeline worker' ? 'full' : random.pick(['none', 'full', 'incremental', 'restore'] as const);
    if (what === 'none' || this.#ground.round % tenant.everyRounds !== 0) return '';
    // The job's end is looked at later, whatever becomes of it.
    if (what === 'restore') {
      const from = this.#ground.from(tenant);
      await this.#ground.sys.query(`ALTER SYSTEM RESTORE crashed${this.#ground.round} ${from} WITH ''`).catch(() => {});
    } else {
      const kind = what === 'incremental' ? 'INCREMENTAL ' : '';
      await this.#ground.sys.query(`ALTER SYSTEM BACKUP ${kind}TENANT = ${tenant.name}`).catch(() => {});
    }
    return `${what} of ${tenant.name} under way,`;
  }

  async #kill(kind: Kill): Promise<Kill> {
    const { random } = this.#options;
    if (kind === 'file replaced') {
      await this.#replaceFile({ isServerUp: true });
      return kind;
    }
    if (kind === 'writer') {
      const application = random.pick(this.#tenants).application;
      if (application instanceof FileApplication) await application.killWriter();
      return kind;
    }
    const pattern = CHILD_PATTERN[kind];
    const victims = pattern ? await findChildren(this.#ground.fixture.pid, pattern) : [];
    if (victims.length > 0) {
      killIfThere(random.pick(victims).pid);
      await sleep(NOTICED_MS);
      return kind;
    }
    const tree = kind === 'tree' ? descendants(this.#ground.fixture.pid) : [];
    const ended = this.#ground.fixture.kill();
    for (const { pid } of tree) killIfThere(pid);
    await ended;
    if (random.isIn(50)) await sleep(random.next() * 2000);
    if (random.isIn(25)) await this.#replaceFile({ isServerUp: false });
    await this.#ground.fixture.startServer();
    this.#ground.sys = await this.#ground.fixture.login('root@sys');
    return kind === 'tree' ? 'tree' : 'server';
  }

  async #replaceFile({ isServerUp }: { isServerUp: boolean }): Promise<void> {
    for (const { name, application } of this.#tenants) {
      if (!(application instanceof FileApplication) || !application.behaviour.isReplaced) continue;
      const [before] = await (isServerUp ? query(this.#ground.sys, roundOf(name)) : []);
      await application.replaceFile();
      this.#ground.figures.replacedFiles++;
      if (isServerUp)
        await waitFor(
          this.#ground.sys,
          roundOf(name),
          ([at]) => at?.STATUS !== 'DOING' || at.ROUND_ID !== before?.ROUND_ID,
        );
    }
  }

  /** Everything archives again, every job has come to its end, and every tenant can be restored. */
  async #settle(): Promise<void> {
    for (const tenant of this.#tenants) await this.#untilArchived(tenant);
    await waitFor(this.#ground.sys, 'SELECT JOB_ID FROM oceanbase.CDB_OB_BACKUP_JOBS', (rows) => rows.length === 0);
    await waitFor(
      this.#ground.sys,
      'SELECT JOB_ID FROM oceanbase.CDB_OB_RESTORE_PROGRESS',
      (rows) => rows.length === 0,
    );
    const crashed = await query(
      this.#ground.sys,
      "SELECT TENANT_NAME FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME LIKE 'crashed%'",
    );
    for (const { TENANT_NAME } of crashed) await this.#ground.sys.query(`DROP TENANT ${TENANT_NAME} FORCE`);
    const sets = await query(this.#ground.sys, 'SELECT STATUS, FILE_STATUS FROM oceanbase.CDB_OB_BACKUP_SET_FILES');
    for (const { STATUS, FILE_STATUS } of sets) {
      const isTrue = FILE_STATUS === 'AVAILABLE' ? STATUS === 'SUCCESS' : STATUS === 'FAILED';
      if (!isTrue) this.#ground.fail('sets', `a set is ${STATUS} and ${FILE_STATUS}`);
    }
    for (const tenant of this.#tenants) await this.#untilRestorable(tenant);
  }

  async #untilArchived(tenant: TenantUnderTest): Promise<void> {
    const startMs = Date.now();
    let interruptedMs: number | undefined;
    for (;;) {
      const [row] = await query(this.#ground.sys, roundOf(tenant.name));
      if (isArchived(row)) return;
      if (row?.STATUS === 'INTERRUPTED') {
        interruptedMs ??= Date.now();
        if (Date.now() - interruptedMs > REPAIR_MS_MAX) return await this.#heal(tenant, row.COMMENT!);
      } else interruptedMs = undefined;
      if (Date.now() - startMs > SETTLE_MS_MAX)
        throw new Error(`${tenant.name} is not archived again: ${JSON.stringify(row)}`);
      await sleep(50);
    }
  }

  /** What an operator does when the server does not mend a round by itself. */
  async #heal(tenant: TenantUnderTest, because: string): Promise<void> {
    this.#options.say(`  ${tenant.name}: not repaired: ${because}`);
    await this.#ground.sys.query(`ALTER SYSTEM NOARCHIVELOG TENANT = ${tenant.name}`);
    await waitFor(this.#ground.sys, roundOf(tenant.name), ([row]) => row?.STATUS === 'STOP');
    await this.#ground.sys.query(`ALTER SYSTEM ARCHIVELOG TENANT = ${tenant.name}`);
    await waitFor(this.#ground.sys, roundOf(tenant.name), ([row]) => row?.STATUS === 'DOING');
    this.#ground.figures.extraFulls++;
    await this.#ground.backUp(tenant, 'FULL');
    await this.#rebase(tenant);
  }

  /** A repaired round can be restored once its first commit is durable; one that no set reaches costs a full backup. */
  async #untilRestorable(tenant: TenantUnderTest): Promise<void> {
    const startMs = Date.now();
    for (;;) {
      await this.#untilArchived(tenant);
      const [row] = await query(this.#ground.sys, roundOf(tenant.name));
      const windows = await restoreWindows(this.#ground.sys, tenant.name);
      if (windows.some(({ roundId }) => roundId === Number(row!.ROUND_ID))) return;
      if (Date.now() - startMs > REPAIR_MS_MAX) {
        this.#options.say(`  ${tenant.name}: needs a full backup: ${JSON.stringify(row)} ${windowsText(windows)}`);
        this.#ground.figures.extraFulls++;
        await this.#ground.backUp(tenant, 'FULL');
        return;
      }
      await sleep(100);
    }
  }

  /** The reference begins anew from the live database. */
  async #rebase(tenant: TenantUnderTest): Promise<void> {
    const { application, reference } = tenant;
    const path = this.#ground.fixture.path('copies', `${tenant.name}.base`);
    const { copy, result } = await application.copyLive(path, () =>
      archivedScn(this.#ground.sys, tenant.name, Date.now()),
    );
    reference.begin(copy.path, result);
    rmSync(copy.path);
  }

  async #check(): Promise<string[]> {
    const { random, checksPerRound } = this.#options;
    const due = this.#tenants.filter(({ everyRounds }) => this.#ground.round % everyRounds === 0);
    const chosen = new Set<TenantUnderTest>();
    while (chosen.size < Math.min(checksPerRound, due.length)) chosen.add(random.pick(due));
    for (const tenant of chosen) await this.#checks.checkTenant(tenant);
    return [...chosen].map(({ name }) => name);
  }

  /** What only shows at the end: rounds, repairs, holes and backups. */
  async finish(): Promise<StormFigures> {
    const { figures } = this.#ground;
    for (const tenant of this.#tenants) {
      await this.#checks.checkLive(tenant);
      const windows = await restoreWindows(this.#ground.sys, tenant.name);
      const rounds = await query(
        this.#ground.sys,
        `SELECT v.STATUS, v.COMMENT ${ofTenant('CDB_OB_ARCHIVELOG_SUMMARY', tenant.name)} ORDER BY v.ROUND_ID`,
      );
      figures.repairs += await tenant.reference.countRepairs();
      figures.holes += Math.max(0, windows.length - 1);
      figures.interruptedRounds += rounds.length - 1;
      tenant.application.model.refresh();
      figures.commits += tenant.application.model.commitCount;
      for (const [cause, count] of countBy(rounds.slice(0, -1).map(({ COMMENT }) => causeOf(COMMENT!))))
        this.#options.say(`  ${tenant.name}: ${count} rounds interrupted: ${cause}`);
    }
    const sets = await query(this.#ground.sys, 'SELECT BACKUP_TYPE, STATUS FROM oceanbase.CDB_OB_BACKUP_SET_FILES');
    figures.backups = sets.length;
    figures.incrementals = sets.filter(
      ({ BACKUP_TYPE, STATUS }) => BACKUP_TYPE !== 'FULL' && STATUS === 'SUCCESS',
    ).length;
    figures.failedBackups = sets.filter(({ STATUS }) => STATUS !== 'SUCCESS').length;
    return figures;
  }
}

/** Why a round ended, without what is different each time. */
const causeOf = (comment: string): string =>
  comment
    .replace(/^.*before archive: /, '')
    .replace(/: it was .*|\)$/, '')
    .replace(/file \S+/, 'file')
    .replace(/\d+/g, 'n');

function countBy(texts: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}
