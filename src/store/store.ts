// The metadata store: one embedded SQLite file, opened by one server at a time. Every state is durable here before its
// effect starts. Records are the nouns of `model`; compare-and-set on states through `Table.update`.
import { randomUUID } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID, USER_TENANT_ID_FIRST } from '../base/limits.ts';
import { makeDirectorySync } from '../base/make-directory.ts';
import { DatabaseSync } from '../base/sqlite.ts';
import type { DestKind } from '../format/format-file.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import { formatOptions } from '../model/destination-options.ts';
import type { NewEvent } from '../model/event.ts';
import { PARAMETERS, type ParameterName } from '../model/parameter.ts';
import { parseDurationUs } from '../model/size-text.ts';
import { type Cluster, isAuxiliaryTenantName, type Tenant } from '../model/tenant.ts';
import { FORGET_ACCESS } from './access-uses.ts';
import { ApprovedPlaces } from './approved-places.ts';
import { type ClusterKey, loadClusterKey } from './cluster-key.ts';
import { EventLog } from './event-log.ts';
import { MIGRATIONS } from './migrations.ts';
import { type StoredDestination, type Tables, tables } from './records.ts';
import { Statements } from './statements.ts';

export type CounterName =
  | 'job'
  | 'task'
  | 'backup_set'
  | 'round'
  | 'piece'
  | 'dest'
  | 'dest_history'
  | 'tenant'
  | 'unit'
  | 'pool'
  | 'audit';

/** Where each counter starts; the rest start at 1. @source OceanBase 4.3.3 docs, identifiers */
const COUNTER_FIRST: Partial<Record<CounterName, number>> = {
  dest: 1001,
  tenant: USER_TENANT_ID_FIRST,
  unit: 1001,
  pool: 1001,
};
/** User tenants have even ids: the odd one below each belongs to its meta tenant. */
const COUNTER_STEP: Partial<Record<CounterName, number>> = { tenant: 2 };

/** Tables of what a tenant is and wants; not of what was done for it. */
const OF_TENANTS = [
  'account',
  'parameter',
  'archive_dest',
  'archive_copy_dest',
  'archive_rest',
  'segment_number',
  'data_dest',
  'data_dest_copy',
  'destination_history',
  'destination_access',
  'lease',
  'finished_pack',
  'delete_policy',
  'backup_schedule',
  'verification',
  'standby',
] as const;

const NS_PER_US = 1000n;
/** What was said of one path before, the newest: a tenant may say another thing as often as he likes. */
const DESTINATION_HISTORY_MAX = 100;

type DestinationPatch = Partial<Pick<StoredDestination, 'options' | 'destType' | 'checkFileName' | 'lastCheckNs'>>;

export interface OpenStoreOptions {
  /** Names for a cluster that does not exist yet. */
  clusterName: string;
  clusterId: number;
  timeZone: string;
}

/** The store but its tables. */
class StoreBase implements Disposable {
  readonly cluster: Cluster & { timeZone: string };
  readonly secrets: ClusterKey;
  readonly events: EventLog;
  /** Places that a statement of the sys tenant is naming for another one just now. */
  readonly approving = new ApprovedPlaces();
  readonly #db: Statements;
  readonly #tables: Tables;
  #depth = 0;
  #destinationsVersion = 0;

  constructor(db: Statements, of: { tables: Tables; secrets: ClusterKey; options: OpenStoreOptions }) {
    const { secrets, options } = of;
    this.#db = db;
    this.#tables = of.tables;
    this.secrets = secrets;
    this.events = new EventLog(db, () => this.durationUs(SYS_TENANT_ID, 'event_history_retention') * NS_PER_US);
    this.cluster = this.#loadCluster(options);
  }

  /** Runs `work` in one durable transaction; nested calls join the outer one. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.#db.exec('BEGIN IMMEDIATE');
    this.#depth++;
    try {
      const value = work();
      this.#db.exec('COMMIT');
      return value;
    } catch (error) {
      if (this.#db.isInTransaction) this.#db.exec('ROLLBACK');
      throw error;
    } finally {
      this.#depth--;
    }
  }

  /** The next number of a counter; numbers are never given twice, even when what they named failed. */
  nextId(tenantId: number, name: CounterName): number {
    const first = COUNTER_FIRST[name] ?? 1;
    const step = COUNTER_STEP[name] ?? 1;
    const sql = `INSERT INTO counter (tenant_id, name, value) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET value = value + ? RETURNING value`;
    return Number(this.#db.all(sql, [tenantId, name, first, step])[0]?.value);
  }

  /** The id of a path of a tenant: one number per distinct path ever used, data and archive alike. */
  destIdFor(tenantId: number, uri: string): number {
    const known = this.#db.get('SELECT dest_id FROM destination WHERE tenant_id = ? AND uri = ?', [tenantId, uri]);
    if (known) return Number(known.dest_id);
    const destId = this.nextId(tenantId, 'dest');
    this.#db.run('INSERT INTO destination (tenant_id, dest_id, uri) VALUES (?, ?, ?)', [tenantId, destId, uri]);
    return destId;
  }

  /**
   * Keeps what a statement said of a path, or found, beside the path itself, for whoever opens it. What was said before
   * goes to the history.
   */
  changeDestination(tenantId: number, uri: string, patch: DestinationPatch): void {
    const before = this.#tables.destinations.find({ tenantId, uri })[0];
    assert(before, 'a path that is changed has a number');
    const { destId, destType, options } = before;
    this.#tables.destinations.change({ tenantId, destId }, patch);
    this.#destinationsVersion++;
    const isOther = patch.options && formatOptions(patch.options) !== formatOptions(options);
    if (isOther && destType !== '') this.#keepPast(before);
  }

  /** What opens a path has changed. */
  noteDestinationChange(): void {
    this.#destinationsVersion++;
  }

  #keepPast(before: StoredDestination): void {
    const { tenantId, destId } = before;
    const known = this.#tables.destinationHistory.find({ tenantId, destId });
    this.#tables.destinationHistory.insert({ ...before, historyId: this.nextId(SYS_TENANT_ID, 'dest_history') });
    for (const { historyId } of known.slice(0, -DESTINATION_HISTORY_MAX + 1))
      this.#tables.destinationHistory.remove({ historyId });
  }

  /** Grows with each change of what is said of a path: whoever has one open looks again then. */
  get destinationsVersion(): number {
    return this.#destinationsVersion;
  }

  /** What was said of a path; nothing for one that is not known. A path belongs to one tenant. */
  destinationOptions(uri: string): Record<string, string> {
    const row = this.#db.get("SELECT options FROM destination WHERE uri = ? AND options <> '{}'", [uri]);
    return row ? (JSON.parse(row.options as string) as Record<string, string>) : {};
  }

  /** Options by path, of all paths of which anything was said. */
  allDestinationOptions(): Map<string, Record<string, string>> {
    const rows = this.#db.all("SELECT uri, options FROM destination WHERE options <> '{}'", []);
    return new Map(rows.map(({ uri, options }) => [String(uri), JSON.parse(String(options))]));
  }

  /** From now on a counter gives only numbers above `taken`: something by that number is known from elsewhere. */
  raiseCounter(tenantId: number, name: CounterName, taken: number): void {
    const sql = `INSERT INTO counter (tenant_id, name, value) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET value = MAX(value, excluded.value)`;
    // A counter that was never used has no row: its first number must not fall below where it starts.
    const first = (COUNTER_FIRST[name] ?? 1) - (COUNTER_STEP[name] ?? 1);
    this.#db.run(sql, [tenantId, name, Math.max(first, taken)]);
  }

  /** Keeps the number that a path had where its rows come from, unless number or path have another one here. */
  recordDest(tenantId: number, { destId, uri, destKind }: { destId: number; uri: string; destKind: DestKind }): void {
    const sql = 'INSERT OR IGNORE INTO destination (tenant_id, dest_id, uri, dest_type) VALUES (?, ?, ?, ?)';
    this.#db.run(sql, [tenantId, destId, uri, destKind]);
    this.raiseCounter(tenantId, 'dest', destId);
  }

  /** Value of a parameter, its default when it was never set. Cluster parameters belong to tenant 1. */
  parameter(tenantId: number, name: ParameterName): string {
    const row = this.#db.get('SELECT value FROM parameter WHERE tenant_id = ? AND name = ?', [tenantId, name]);
    return (row?.value as string | undefined) ?? PARAMETERS[name].default;
  }

  /** Values of all parameters that were ever set, by tenant and name. */
  parametersSet(): Map<number, Map<string, string>> {
    const values = new Map<number, Map<string, string>>();
    for (const row of this.#db.all('SELECT tenant_id, name, value FROM parameter')) {
      const tenantId = Number(row.tenant_id);
      const own = values.get(tenantId) ?? new Map<string, string>();
      values.set(tenantId, own.set(String(row.name), String(row.value)));
    }
    return values;
  }

  /** Value of a time parameter, µs. */
  durationUs(tenantId: number, name: ParameterName): bigint {
    const valueUs = parseDurationUs(this.parameter(tenantId, name));
    assert(valueUs !== undefined, 'a parameter has a value of its type');
    return valueUs;
  }

  setParameter(tenantId: number, name: ParameterName, value: string): void {
    this.#db.run(
      'INSERT INTO parameter (tenant_id, name, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
      [tenantId, name, value],
    );
  }

  /**
   * Tells the event history what was done or asked for: in the transaction that changes the state, never on a path that
   * runs for each batch.
   */
  recordEvent(nowNs: bigint, event: NewEvent): void {
    this.events.record(nowNs, event);
  }

  tenantByName(name: string): Tenant | undefined {
    return this.#tables.tenants.find({ name })[0];
  }

  /** @throws TENANT_NOT_EXIST (5160) */
  tenantNamed(name: string): Tenant {
    const tenant = this.tenantByName(name);
    if (!tenant) throw fail('TENANT_NOT_EXIST', { tenant: name });
    return tenant;
  }

  /** Time zones by tenant: views of all tenants need nothing else of most of them. */
  timeZones(): Map<number, string> {
    const rows = this.#db.all('SELECT tenant_id, time_zone FROM tenant');
    return new Map(rows.map(({ tenant_id, time_zone }) => [Number(tenant_id), String(time_zone)]));
  }

  /** Every tenant but sys and those that a table recovery has for a while, by id. Only for the sys tenant's work. */
  userTenants(): Tenant[] {
    return this.#tables.tenants.find().filter((of) => of.tenantId !== SYS_TENANT_ID && !isAuxiliaryTenantName(of.name));
  }

  /** The newest round of a tenant; undefined when it never archived. */
  currentRound(tenantId: number): ArchiveRound | undefined {
    return this.#tables.rounds.find({ tenantId }, { orderBy: 'roundId', descending: true })[0];
  }

  /** Removes everything that belongs to a dropped tenant but its history of jobs, sets and pieces, and the keys to them. */
  forgetTenant(tenantId: number): void {
    this.transaction(() => {
      for (const table of OF_TENANTS) {
        this.#db.run(`DELETE FROM ${table} WHERE tenant_id = ?`, [tenantId]);
      }
      this.#db.run('UPDATE resource_pool SET tenant_id = NULL WHERE tenant_id = ?', [tenantId]);
      this.#tables.tenants.remove({ tenantId });
    });
  }

  /** Removes every access key that no destination, job or setting needs any more. */
  forgetUnusedAccess(): void {
    if (this.#db.run(FORGET_ACCESS) > 0) this.#destinationsVersion++;
  }

  /** Removes entries of the audit whose last event is older. */
  removeAuditBefore(ns: bigint): void {
    this.#db.run('DELETE FROM audit_event WHERE last_ns < ?', [ns]);
  }

  /** Removes the oldest entries of the audit beyond the newest `rowsMax`, of one tenant or of all together. */
  trimAudit(rowsMax: number, tenantId?: number): void {
    const where = tenantId === undefined ? 'TRUE' : 'tenant_id = ?';
    const values = tenantId === undefined ? [] : [tenantId];
    const newest = `SELECT event_id FROM audit_event WHERE ${where} ORDER BY event_id DESC LIMIT 1 OFFSET ?`;
    this.#db.run(`DELETE FROM audit_event WHERE ${where} AND event_id <= (${newest})`, [...values, ...values, rowsMax]);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #loadCluster(options: OpenStoreOptions): Cluster & { timeZone: string } {
    const known = this.#db.get('SELECT name, cluster_id, uuid, time_zone FROM cluster');
    if (known) {
      return {
        name: String(known.name),
        clusterId: Number(known.cluster_id),
        uuid: String(known.uuid),
        timeZone: String(known.time_zone),
      };
    }
    const cluster = {
      name: options.clusterName,
      clusterId: options.clusterId,
      uuid: randomUUID(),
      timeZone: options.timeZone,
    };
    this.#db.run('INSERT INTO cluster (name, cluster_id, uuid, time_zone) VALUES (?, ?, ?, ?)', [
      cluster.name,
      cluster.clusterId,
      cluster.uuid,
      cluster.timeZone,
    ]);
    return cluster;
  }
}

/** Every table by its name, and what is more than one table's affair. */
export type Store = StoreBase & Tables;

function migrate(db: Statements): void {
  const version = Number(db.get('PRAGMA user_version')?.user_version);
  if (version > MIGRATIONS.length) {
    throw fail('NOT_SUPPORTED', {
      what: `a metadata store of a newer version (${version}, this server knows ${MIGRATIONS.length})`,
    });
  }
  for (const [index, migration] of MIGRATIONS.entries()) {
    if (index < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${migration}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}

/**
 * Opens (or makes) the store below a data directory and keeps it locked while the process lives.
 * @throws NOT_ALLOWED (4179) when another server has it open
 */
export function openStore(dataDir: string, options: OpenStoreOptions): Store {
  makeDirectorySync(dataDir, 0o700);
  const path = join(dataDir, 'holdfast.db');
  const db = new Statements(new DatabaseSync(path, { timeout: 0 }));
  try {
    // Password verifiers are in it, and the directory may be one that others can read. Its WAL gets the same mode.
    chmodSync(path, 0o600);
    // EXCLUSIVE keeps the file lock for the life of the process, and the kernel drops it however the process ends.
    db.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON',
    );
    db.exec('BEGIN IMMEDIATE; COMMIT');
  } catch (error) {
    db.close();
    if (/locked|busy/i.test(String(error))) {
      throw fail('NOT_ALLOWED', { what: `a second server on the data directory ${dataDir} is` }, { cause: error });
    }
    throw error;
  }
  migrate(db);
  const of = { tables: tables(db), secrets: loadClusterKey(join(dataDir, 'cluster.key')), options };
  const store = Object.assign(new StoreBase(db, of), of.tables);
  assert(store.cluster.uuid !== '', 'a cluster has an identity');
  return store;
}
