// System variables of a session: reading, setting, listing; and the values behind @@x, @x and DATABASE() in a text.
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findCharset, findCollation } from '../catalog/character-sets.ts';
import { CLUSTER_VERSION } from '../catalog/figures.ts';
import type { SqlValue } from '../model/result.ts';
import { isTimeZone, localTimeZone } from '../model/time-zone.ts';
import type { Store } from '../store/store.ts';
import type { Reference, SessionFunctionName, VariableScope } from './grammar/statement.ts';
import type { Session } from './session.ts';
import { ALIASES, charsetOf, collationOf, SQL_MODES, VARIABLES, type VariableDefinition } from './variable-table.ts';

/** What variables need of the statements' dependencies. */
export interface VariableSources {
  store: Store;
  catalog: Catalog;
}

/**
 * What SET GLOBAL changed, by tenant, until the server stops; the time zone alone lasts, as the tenant's own. Kept by
 * store, so that several servers in one process keep theirs apart.
 */
const globals = new WeakMap<Store, Map<number, Map<string, SqlValue>>>();

function globalsOf({ store }: VariableSources, tenantId: number): Map<string, SqlValue> {
  const byTenant = globals.get(store) ?? new Map<number, Map<string, SqlValue>>();
  globals.set(store, byTenant);
  const own = byTenant.get(tenantId) ?? new Map<string, SqlValue>();
  byTenant.set(tenantId, own);
  return own;
}

interface Variable {
  name: string;
  definition: VariableDefinition;
}

/** @throws UNKNOWN_VARIABLE (1193) */
function find(name: string): Variable {
  const lower = name.toLowerCase();
  const canonical = Object.hasOwn(ALIASES, lower) ? ALIASES[lower]! : lower;
  if (!Object.hasOwn(VARIABLES, canonical)) throw fail('UNKNOWN_VARIABLE', { variable: name });
  return { name: canonical, definition: VARIABLES[canonical]! };
}

// ## Reading

function tenantTimeZone({ store }: VariableSources, session: Session): string {
  return store.tenants.get({ tenantId: session.tenantId })?.timeZone || store.cluster.timeZone;
}

function defaultOf(sources: VariableSources, session: Session, { definition }: Variable): SqlValue {
  const { serverVersion, listenAddress } = sources.catalog.context;
  if (typeof definition.default === 'string') return fromText(definition, definition.default);
  const facts = {
    serverVersion,
    ...listenAddress,
    mode: session.mode,
    timeZone: tenantTimeZone(sources, session),
    systemTimeZone: localTimeZone(),
    isTls: session.isTls,
  };
  return fromText(definition, definition.default(facts));
}

function fromText(definition: VariableDefinition, text: string): SqlValue {
  if (definition.type === 'bool') return text === 'ON' ? 1n : 0n;
  return definition.type === 'int' ? BigInt(text) : text;
}

/** Variables that are another name for what the session already knows. */
function sessionValue(session: Session, name: string): SqlValue | undefined {
  if (name === 'identity' || name === 'last_insert_id') return session.lastInsertId;
  if (name === 'pseudo_thread_id') return BigInt(session.id);
  return undefined;
}

function currentValue(sources: VariableSources, session: Session, scope: VariableScope, variable: Variable): SqlValue {
  const { name } = variable;
  if (scope === 'SESSION') {
    if (session.variables.has(name)) return session.variables.get(name)!;
    const own = sessionValue(session, name);
    if (own !== undefined) return own;
  }
  const changed = globalsOf(sources, session.tenantId);
  return changed.has(name) ? changed.get(name)! : defaultOf(sources, session, variable);
}

/**
 * The value of `@@name`: booleans as 1n and 0n.
 * @param scope null: the session's where there is one, else the global value
 * @throws UNKNOWN_VARIABLE (1193), VARIABLE_READ_ONLY (1238) for a scope that it has not
 */
export function readVariable(
  sources: VariableSources,
  session: Session,
  scope: VariableScope | null,
  name: string,
): SqlValue {
  const variable = find(name);
  const own = variable.definition.scope;
  if (scope === 'SESSION' && own === 'global') throw fail('VARIABLE_READ_ONLY', { variable: name, scope: 'GLOBAL' });
  if (scope === 'GLOBAL' && own === 'session') throw fail('VARIABLE_READ_ONLY', { variable: name, scope: 'SESSION' });
  return currentValue(sources, session, scope ?? 'SESSION', variable);
}

/** The type of `@@name`, for the column it becomes. @throws UNKNOWN_VARIABLE (1193) */
export function variableType(name: string): VariableDefinition['type'] {
  return find(name).definition.type;
}

function shown(definition: VariableDefinition, value: SqlValue): string {
  if (definition.type === 'bool') return value === 1n ? 'ON' : 'OFF';
  return value === null ? '' : String(value);
}

/** Every variable as SHOW VARIABLES prints it, by name. */
export function listVariables(
  sources: VariableSources,
  session: Session,
  scope: VariableScope,
): { name: string; value: string }[] {
  const listed: { name: string; value: string }[] = [];
  const names = [...Object.keys(VARIABLES), ...Object.keys(ALIASES).filter((name) => name.startsWith('tx_'))].sort();
  for (const name of names) {
    const variable = find(name);
    if (scope === 'GLOBAL' && variable.definition.scope === 'session') continue;
    listed.push({ name, value: shown(variable.definition, currentValue(sources, session, scope, variable)) });
  }
  return listed;
}

/** The zone that NOW() is told in and times are written in. */
export function sessionTimeZone(sources: VariableSources, session: Session): string {
  const zone = String(readVariable(sources, session, 'SESSION', 'time_zone'));
  return zone.toUpperCase() === 'SYSTEM' ? localTimeZone() : zone;
}

// ## Setting

/** Longest text of a variable: each session keeps its own in the memory of the server. */
const TEXT_CHARS_MAX = 4096;
/** How much of a text that is too long its error repeats. */
const SHOWN_CHARS_MAX = 80;

const TRUE = new Set(['1', 'ON', 'TRUE', 'YES']);
const FALSE = new Set(['0', 'OFF', 'FALSE', 'NO']);

function checkedBool(name: string, value: SqlValue): SqlValue {
  const text = String(value).toUpperCase();
  if (TRUE.has(text)) return 1n;
  if (FALSE.has(text)) return 0n;
  throw fail('VARIABLE_VALUE', { variable: name, value: value === null ? 'NULL' : String(value) });
}

function checkedInt(session: Session, name: string, definition: VariableDefinition, value: SqlValue): SqlValue {
  const isWhole = typeof value === 'bigint' || (typeof value === 'string' && /^-?\d{1,20}$/.test(value));
  if (!isWhole) throw fail('VARIABLE_TYPE', { variable: name });
  const given = BigInt(value as bigint | string);
  const [min, max] = definition.range ?? [given, given];
  if (given >= min && given <= max) return given;
  session.warnings.push({ level: 'Warning', errno: 1292, message: `Truncated incorrect ${name} value: '${given}'` });
  return given < min ? min : max;
}

function checkedSqlMode(name: string, value: string): string {
  const modes = value.split(',').map((mode) => mode.trim().toUpperCase());
  const unknown = modes.find((mode) => mode !== '' && !SQL_MODES.has(mode));
  if (unknown !== undefined) throw fail('VARIABLE_VALUE', { variable: name, value: unknown });
  return modes.filter((mode) => mode !== '').join(',');
}

function checkedText(name: string, definition: VariableDefinition, value: SqlValue): SqlValue {
  // Drivers write `character_set_results = NULL` for "as stored".
  if (value === null && name === 'character_set_results') return null;
  if (value === null || value instanceof Uint8Array) throw fail('VARIABLE_VALUE', { variable: name, value: 'NULL' });
  const text = String(value);
  if (text.length > TEXT_CHARS_MAX)
    throw fail('VARIABLE_VALUE', { variable: name, value: `${text.slice(0, SHOWN_CHARS_MAX)}…` });
  switch (definition.kind) {
    case 'charset': {
      const charset = findCharset(text);
      if (!charset) throw fail('UNKNOWN_CHARACTER_SET', { charset: text });
      return charset.name;
    }
    case 'collation': {
      const collation = findCollation(text);
      if (!collation) throw fail('UNKNOWN_COLLATION', { collation: text });
      return collation.name;
    }
    case 'timeZone':
      if (text.toUpperCase() !== 'SYSTEM' && !isTimeZone(text)) throw fail('UNKNOWN_TIME_ZONE', { zone: text });
      return text;
    case 'sqlMode':
      return checkedSqlMode(name, text);
    default:
      if (definition.values === undefined) return text;
      if (!definition.values.includes(text.toUpperCase()))
        throw fail('VARIABLE_VALUE', { variable: name, value: text });
      return text.toUpperCase();
  }
}

function checked(session: Session, { name, definition }: Variable, value: SqlValue): SqlValue {
  if (definition.type === 'bool') return checkedBool(name, value);
  if (definition.type === 'int') return checkedInt(session, name, definition, value);
  return checkedText(name, definition, value);
}

function checkScope({ name, definition }: Variable, scope: VariableScope): void {
  if (definition.isReadOnly) throw fail('VARIABLE_READ_ONLY', { variable: name, scope: 'read only' });
  if (scope === 'SESSION' && definition.scope === 'global') throw fail('VARIABLE_GLOBAL_ONLY', { variable: name });
  if (scope === 'GLOBAL' && definition.scope === 'session') throw fail('VARIABLE_SESSION_ONLY', { variable: name });
}

/** What changes along with a variable. */
function companionOf(name: string, value: SqlValue): [name: string, value: SqlValue] | undefined {
  if (typeof value !== 'string') return undefined;
  if (name === 'character_set_connection') return ['collation_connection', collationOf(value)];
  if (name === 'collation_connection') return ['character_set_connection', charsetOf(value)];
  return undefined;
}

/**
 * Sets a variable of the session, or of its tenant with GLOBAL.
 * @param value undefined stands for DEFAULT; words such as ON as text
 * @throws UNKNOWN_VARIABLE (1193); 1228, 1229, 1238 for the scope; 1115, 1231, 1232, 1273, 1298 for the value
 */
export function setVariable(
  sources: VariableSources,
  session: Session,
  scope: VariableScope | null,
  name: string,
  value: SqlValue | undefined,
): void {
  const variable = find(name);
  const target = scope ?? 'SESSION';
  checkScope(variable, target);
  if (target === 'GLOBAL' && variable.name === 'time_zone') {
    setTenantTimeZone(sources, session, variable, value);
    return;
  }
  const values = target === 'GLOBAL' ? globalsOf(sources, session.tenantId) : session.variables;
  if (value === undefined) {
    values.delete(variable.name);
    return;
  }
  const taken = checked(session, variable, value);
  values.set(variable.name, taken);
  const companion = companionOf(variable.name, taken);
  if (companion) values.set(...companion);
}

/** The zone in which the tenant's times are shown from now on; a backup taken from now on records it. */
function setTenantTimeZone(
  sources: VariableSources,
  session: Session,
  variable: Variable,
  value: SqlValue | undefined,
): void {
  const zone = value === undefined ? sources.store.cluster.timeZone : String(checked(session, variable, value));
  const timeZone = zone.toUpperCase() === 'SYSTEM' ? localTimeZone() : zone;
  const { tenantId, tenantName } = session;
  // The tenant may have been dropped while its session was open.
  if (!sources.store.tenants.update({ tenantId }, { timeZone })) throw fail('TENANT_NOT_EXIST', { tenant: tenantName });
}

// ## References in a text

const OB_VERSION = CLUSTER_VERSION;

const FUNCTIONS: Record<SessionFunctionName, (sources: VariableSources, session: Session) => SqlValue> = {
  DATABASE: (_, session) => session.database,
  SCHEMA: (_, session) => session.database,
  USER: (_, session) => `${session.user}@${session.host}`,
  SESSION_USER: (_, session) => `${session.user}@${session.host}`,
  SYSTEM_USER: (_, session) => `${session.user}@${session.host}`,
  CURRENT_USER: (_, session) => `${session.user}@%`,
  CONNECTION_ID: (_, session) => BigInt(session.id),
  VERSION: ({ catalog }) => catalog.context.serverVersion,
  OB_VERSION: () => OB_VERSION,
  EFFECTIVE_TENANT: (_, session) => session.tenantName,
  EFFECTIVE_TENANT_ID: (_, session) => BigInt(session.tenantId),
  LAST_INSERT_ID: (_, session) => session.lastInsertId,
  ROW_COUNT: (_, session) => session.rowCount,
  // SQL_CALC_FOUND_ROWS is not kept count of.
  FOUND_ROWS: () => 0n,
};

/** The value that stands for a reference. @throws UNKNOWN_VARIABLE (1193), VARIABLE_READ_ONLY (1238) */
export function readReference(sources: VariableSources, session: Session, reference: Reference): SqlValue {
  switch (reference.type) {
    case 'systemVariable':
      return readVariable(sources, session, reference.scope, reference.name);
    case 'userVariable':
      return session.userVariables.get(reference.name) ?? null;
    case 'function': {
      const answer = FUNCTIONS[reference.name];
      assert(answer, `${reference.name} is a function of the session`);
      return answer(sources, session);
    }
  }
}
