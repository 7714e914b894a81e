// The schedule service: looks each second what is due, starts it as its statement would, and notes how it ended.
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type ErrorName, fail, HoldfastError, toComment, toResult } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { BACKUP_PASSWORD_CHARS_MAX, isBackupPassword } from '../model/backup-password.ts';
import { checkDescription } from '../model/description.ts';
import type { NewEvent } from '../model/event.ts';
import { checkMove, isFinal } from '../model/moves.ts';
import { RUN_MOVES, type Schedule, type ScheduleType } from '../model/schedule.ts';
import { formatTime } from '../model/time-zone.ts';
import type { Store } from '../store/store.ts';
import { nextDueNs } from './cron-times.ts';
import type { NewSchedule, RunOutcome, ScheduledRequest, ScheduledWork, ScheduleService } from './schedule-service.ts';

const TICK_MS = 1000;
/** A run that could not be started is tried again so often. */
const RETRY_MS = 30_000;
/** What stands in the way of a run passes within an hour, or somebody has to look. */
const GIVE_UP_NS = 3_600_000_000_000n;
/** A run that begins so much behind its time says why. */
const LATE_NS = 60_000_000_000n;
/** A bound on what each second looks through, and beyond one schedule for each of ten thousand tenants. */
const SCHEDULES_MAX = 20_000;
const NAME = /^[A-Za-z_][\w$-]{0,63}$/;

/** Trying again would end the same way. */
const HOPELESS: ReadonlySet<ErrorName> = new Set<ErrorName>(['INVALID_ARGUMENT', 'NOT_SUPPORTED', 'TENANT_NOT_EXIST']);

export interface ScheduleDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  /** Who does the work of each type; a type without anybody is refused. */
  works: Partial<Record<ScheduleType, ScheduledWork>>;
}

/** Builds the service; nothing runs before `start`. */
export function createSchedule(deps: ScheduleDependencies): ScheduleService {
  return new Scheduler(deps);
}

type Key = Pick<Schedule, 'tenantId' | 'name'>;
const keyOf = ({ tenantId, name }: Key) => `${tenantId}/${name.toLowerCase()}`;
const passwordContext = ({ tenantId, name }: Key) => `schedule ${tenantId} ${name.toLowerCase()}`;

class Scheduler implements ScheduleService {
  readonly #deps: ScheduleDependencies;
  /** Every schedule as its row stands: only this room writes them. */
  readonly #schedules = new Map<string, Schedule>();
  /** When a run that could not be started is tried again, by schedule. */
  readonly #retryAtMs = new Map<string, number>();
  /** Runs are started one after the other: each may derive a key, or ask destinations. */
  #starting: Promise<void> = Promise.resolve();
  readonly #beingStarted = new Set<string>();
  #tick: NodeJS.Timeout | undefined;

  constructor(deps: ScheduleDependencies) {
    this.#deps = deps;
    for (const schedule of deps.store.schedules.find()) this.#schedules.set(keyOf(schedule), schedule);
  }

  start(): void {
    this.#tick = setInterval(() => this.#look(), TICK_MS);
    this.#tick.unref();
    this.#look();
  }

  async stop(): Promise<void> {
    clearInterval(this.#tick);
    this.#tick = undefined;
    await this.#starting;
  }

  add(schedule: NewSchedule): void {
    const { store, clock, works } = this.#deps;
    const { tenantId, name, type, cron, password, description, ...asked } = schedule;
    if (!NAME.test(name)) throw fail('INVALID_ARGUMENT', { what: `the schedule's name '${name}'` });
    if (!works[type]) throw fail('NOT_SUPPORTED', { what: `a schedule of TYPE = ${type} is` });
    checkDescription(description);
    if (password !== null && !isBackupPassword(password))
      throw fail('INVALID_ARGUMENT', {
        what: `PASSWORD: empty, or longer than ${BACKUP_PASSWORD_CHARS_MAX} characters`,
      });
    if (this.#schedules.has(keyOf(schedule)))
      throw fail('ENTRY_EXISTS', { what: `the schedule '${name}': DROP BACKUP SCHEDULE first` });
    if (this.#schedules.size >= SCHEDULES_MAX)
      throw fail('NOT_SUPPORTED', { what: `more than ${SCHEDULES_MAX} schedules are` });
    const createdNs = clock.nowNs();
    const row: Schedule = {
      ...{ tenantId, name, type, cron, description, createdNs, isPaused: false, ...asked },
      sealedPassword: password === null ? null : store.secrets.seal(Buffer.from(password), passwordContext(schedule)),
      nextNs: nextDueNs(cron, this.#zoneOf(tenantId), createdNs),
      ...{
        runStatus: null,
        runDueNs: null,
        runStartNs: null,
        runEndNs: null,
        runJobs: [],
        runResult: 0,
        runComment: '',
      },
      ...{ runCount: 0, failedCount: 0, skippedCount: 0 },
    };
    store.transaction(() => {
      store.schedules.insert(row);
      this.#record('add_backup_schedule', row, { type, cron });
    });
    this.#schedules.set(keyOf(row), row);
  }

  drop(tenantId: number, name: string): void {
    const schedule = this.#named(tenantId, name);
    this.#deps.store.transaction(() => {
      this.#deps.store.schedules.remove({ tenantId, name: schedule.name });
      this.#record('drop_backup_schedule', schedule);
    });
    this.#schedules.delete(keyOf(schedule));
    this.#retryAtMs.delete(keyOf(schedule));
  }

  setPaused(tenantId: number, name: string, isPaused: boolean): void {
    const schedule = this.#named(tenantId, name);
    if (schedule.isPaused === isPaused) return;
    const nowNs = this.#deps.clock.nowNs();
    this.#deps.store.transaction(() => {
      if (isPaused) this.#change(schedule, { isPaused });
      else this.#change(schedule, { isPaused, nextNs: nextDueNs(schedule.cron, this.#zoneOf(tenantId), nowNs) });
      this.#record(isPaused ? 'pause_backup_schedule' : 'resume_backup_schedule', schedule);
    });
  }

  /** To the caller's transaction. */
  #record(event: string, { tenantId, name, runComment }: Schedule, facts: NewEvent['facts'] = {}): void {
    const of = { tenant_id: tenantId, schedule: name, ...facts };
    const extraInfo = 'result' in facts ? runComment : '';
    this.#deps.store.recordEvent(this.#deps.clock.nowNs(), { module: 'schedule', event, facts: of, extraInfo });
  }

  /** The run is over, with all that its row says of it. */
  #changeAtEnd(schedule: Schedule, patch: Partial<Schedule>): void {
    this.#deps.store.transaction(() => {
      this.#change(schedule, patch);
      const { runStatus, runResult } = schedule;
      this.#record('end_backup_schedule', schedule, { status: runStatus ?? '', result: runResult });
    });
  }

  async forget(tenantId: number): Promise<void> {
    for (const schedule of [...this.#schedules.values()])
      if (schedule.tenantId === tenantId) this.drop(tenantId, schedule.name);
    await this.#starting;
  }

  #named(tenantId: number, name: string): Schedule {
    const schedule = this.#schedules.get(keyOf({ tenantId, name }));
    if (!schedule) throw fail('ENTRY_NOT_EXIST', { what: `the schedule '${name}'` });
    return schedule;
  }

  #zoneOf(tenantId: number): string {
    return this.#deps.store.tenants.get({ tenantId })?.timeZone ?? this.#deps.store.cluster.timeZone;
  }

  #change(schedule: Schedule, patch: Partial<Schedule>): void {
    const { tenantId, name } = schedule;
    this.#deps.store.schedules.change({ tenantId, name }, patch);
    Object.assign(schedule, patch);
  }

  /** One look at everything; what one schedule meets is no other's trouble. */
  #look(): void {
    const nowNs = this.#deps.clock.nowNs();
    for (const schedule of this.#schedules.values()) {
      try {
        if (schedule.runStatus === 'RUNNING') this.#settle(schedule);
        if (!schedule.isPaused && schedule.nextNs <= nowNs) this.#begin(schedule, nowNs);
        if (schedule.runStatus === 'STARTING') this.#startOf(schedule);
      } catch (error) {
        this.#deps.log.error('schedule was not looked at', { ...keyFacts(schedule), error });
      }
    }
  }

  /** What is due becomes a run, once however often it was missed. */
  #begin(schedule: Schedule, nowNs: bigint): void {
    const { cron, tenantId, runStatus, nextNs: dueNs } = schedule;
    const zone = this.#zoneOf(tenantId);
    const nextNs = nextDueNs(cron, zone, nowNs);
    if (runStatus !== null && !isFinal(RUN_MOVES, runStatus)) {
      const runComment = `the run of ${formatTime(dueNs, zone, 0)} was left out: this one had not ended`;
      this.#change(schedule, { nextNs, runComment, skippedCount: schedule.skippedCount + 1 });
      return;
    }
    this.#retryAtMs.delete(keyOf(schedule));
    this.#change(schedule, {
      ...{ nextNs, runStatus: 'STARTING', runDueNs: dueNs, runStartNs: nowNs, runEndNs: null, runJobs: [] },
      ...{ runResult: 0, runComment: '', runCount: schedule.runCount + 1 },
    });
  }

  #startOf(schedule: Schedule): void {
    const key = keyOf(schedule);
    if (this.#beingStarted.has(key)) return;
    if (this.#deps.clock.monotonicMs() < (this.#retryAtMs.get(key) ?? 0)) return;
    this.#beingStarted.add(key);
    this.#starting = this.#starting
      .then(() => this.#tryToStart(schedule))
      .catch((error: unknown) => this.#deps.log.error('schedule broke', { ...keyFacts(schedule), error }))
      .finally(() => this.#beingStarted.delete(key));
  }

  async #tryToStart(schedule: Schedule): Promise<void> {
    const { store, clock, log, works } = this.#deps;
    const isCurrent = () => this.#schedules.get(keyOf(schedule)) === schedule && this.#tick !== undefined;
    if (!isCurrent()) return;
    if (schedule.isPaused) return this.#end(schedule, fail('CANCELED', {}));
    const work = works[schedule.type];
    assert(work, 'only what somebody does is scheduled');
    const { tenantId, name } = schedule;
    try {
      let running: Partial<Schedule> = {};
      await work.start(this.#request(schedule), (runJobs) => {
        const runStatus = checkMove('run', RUN_MOVES, 'STARTING', 'RUNNING');
        running = { runStatus, runJobs, runResult: 0, runComment: lateText(schedule, this.#zoneOf(tenantId)) };
        // A schedule that was dropped meanwhile has no row any more; its work is recorded all the same.
        store.schedules.update({ tenantId, name }, running, { runStatus: 'STARTING' });
      });
      Object.assign(schedule, running);
      log.info('schedule started its work', { ...keyFacts(schedule), jobs: schedule.runJobs });
    } catch (error) {
      if (!isCurrent()) return;
      const waitedNs = clock.nowNs() - (schedule.runStartNs ?? 0n);
      const isHopeless = error instanceof HoldfastError && HOPELESS.has(error.errorName);
      if (isHopeless || waitedNs >= GIVE_UP_NS) return this.#end(schedule, error);
      this.#retryAtMs.set(keyOf(schedule), clock.monotonicMs() + RETRY_MS);
      this.#change(schedule, { runResult: toResult(error), runComment: toComment(error) });
      log.warn('schedule will try again', { ...keyFacts(schedule), error });
    }
  }

  #request(schedule: Schedule): ScheduledRequest {
    const { store } = this.#deps;
    const { tenantId, name, type, level, budgetBytes, sealedPassword, targets } = schedule;
    const there = targets?.filter((target) => store.tenants.get({ tenantId: target }));
    if (there?.length === 0) throw fail('TENANT_NOT_EXIST', { tenant: (targets ?? []).join(', ') });
    const password = sealedPassword && Buffer.from(store.secrets.open(sealedPassword, passwordContext(schedule)));
    return {
      ...{ ownerTenantId: tenantId, type, level, budgetBytes, tenants: there ?? 'all' },
      password: password?.toString() ?? null,
      description: schedule.description === '' ? `schedule ${name}` : schedule.description,
    };
  }

  #settle(schedule: Schedule): void {
    const outcome: RunOutcome | null = this.#deps.works[schedule.type]?.outcome(schedule.runJobs) ?? null;
    if (!outcome) return;
    const to = checkMove('run', RUN_MOVES, 'RUNNING', outcome.isSuccess ? 'COMPLETED' : 'FAILED');
    this.#changeAtEnd(schedule, {
      ...{ runStatus: to, runEndNs: this.#deps.clock.nowNs(), runResult: outcome.result },
      runComment: [schedule.runComment, outcome.comment].filter((part) => part !== '').join('; '),
      failedCount: schedule.failedCount + Number(!outcome.isSuccess),
    });
    this.#deps.log.info('schedule ended a run', { ...keyFacts(schedule), status: to, result: outcome.result });
  }

  /** A run that did not come to start anything. */
  #end(schedule: Schedule, error: unknown): void {
    this.#retryAtMs.delete(keyOf(schedule));
    this.#changeAtEnd(schedule, {
      runStatus: checkMove('run', RUN_MOVES, 'STARTING', 'FAILED'),
      ...{ runEndNs: this.#deps.clock.nowNs(), runResult: toResult(error), runComment: toComment(error) },
      failedCount: schedule.failedCount + 1,
    });
    this.#deps.log.error('schedule could not start its work', { ...keyFacts(schedule), error });
  }
}

/** Why a run began so much behind its time; '' for one that did not. */
function lateText({ runDueNs, runStartNs }: Schedule, zone: string): string {
  if (runDueNs === null || runStartNs === null || runStartNs - runDueNs <= LATE_NS) return '';
  return `late: no server ran at ${formatTime(runDueNs, zone, 0)}`;
}

const keyFacts = ({ tenantId, name, type }: Schedule) => ({ tenantId, schedule: name, type });
