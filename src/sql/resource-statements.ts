// CREATE, ALTER and DROP RESOURCE UNIT and POOL. Kept as the manual writes them; MAX_CPU bounds a tenant's statements.
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { parseCapacityBytes } from '../model/parameter.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import { isName, type ResourceUnit } from '../model/tenant.ts';
import { requireSys, type SqlDependencies } from './dependencies.ts';
import type { StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';

function positiveNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw fail('INVALID_ARGUMENT', { what: `${name} = ${text}` });
  return value;
}

function unitFigures(attributes: Record<string, string>): Partial<ResourceUnit> {
  const { MAX_CPU: maxCpu, MIN_CPU: minCpu, MEMORY_SIZE: memory, MAX_MEMORY: maxMemory } = attributes;
  const memoryText = memory ?? maxMemory;
  const memoryBytes = memoryText === undefined ? undefined : parseCapacityBytes(memoryText);
  if (memoryText !== undefined && memoryBytes === undefined) {
    throw fail('INVALID_ARGUMENT', { what: `MEMORY_SIZE = ${memoryText}` });
  }
  return {
    ...(maxCpu === undefined ? {} : { maxCpu: positiveNumber('MAX_CPU', maxCpu) }),
    ...(minCpu === undefined ? {} : { minCpu: positiveNumber('MIN_CPU', minCpu) }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  };
}

function checkName(kind: string, name: string): void {
  if (!isName(name)) throw fail('INVALID_ARGUMENT', { what: `${kind} name '${name}'` });
}

export function createUnit(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'createUnit'>,
): StatementResult {
  requireSys(session, 'CREATE RESOURCE UNIT');
  checkName('resource unit', statement.name);
  if (deps.store.units.get({ name: statement.name })) {
    if (statement.isIfNotExists) return okResult();
    throw fail('UNIT_EXISTS', { unit: statement.name });
  }
  const figures = unitFigures(statement.attributes);
  if (figures.maxCpu === undefined)
    throw fail('INVALID_ARGUMENT', { what: 'CREATE RESOURCE UNIT: MAX_CPU is missing' });
  deps.store.units.insert({
    name: statement.name,
    unitId: deps.store.nextId(SYS_TENANT_ID, 'unit'),
    maxCpu: figures.maxCpu,
    minCpu: figures.minCpu ?? figures.maxCpu,
    memoryBytes: figures.memoryBytes ?? 0n,
    attributes: statement.attributes,
  });
  return okResult();
}

export function alterUnit(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'alterUnit'>,
): StatementResult {
  requireSys(session, 'ALTER RESOURCE UNIT');
  const unit = deps.store.units.get({ name: statement.name });
  if (!unit) throw fail('UNIT_NOT_EXIST', { unit: statement.name });
  deps.store.units.change(
    { name: unit.name },
    { ...unitFigures(statement.attributes), attributes: { ...unit.attributes, ...statement.attributes } },
  );
  return okResult();
}

export function dropUnit(deps: SqlDependencies, session: Session, statement: StatementOf<'dropUnit'>): StatementResult {
  requireSys(session, 'DROP RESOURCE UNIT');
  const unit = deps.store.units.get({ name: statement.name });
  if (!unit) {
    if (statement.isIfExists) return okResult();
    throw fail('UNIT_NOT_EXIST', { unit: statement.name });
  }
  if (deps.store.pools.find({ unitName: unit.name }).length > 0) throw fail('UNIT_IN_USE', { unit: unit.name });
  deps.store.units.remove({ name: unit.name });
  return okResult();
}

/** The unit of a pool by its stored name. @throws UNIT_NOT_EXIST (4620) */
function unitNamed(deps: SqlDependencies, name: string): string {
  const unit = deps.store.units.get({ name });
  if (!unit) throw fail('UNIT_NOT_EXIST', { unit: name });
  return unit.name;
}

export function createPool(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'createPool'>,
): StatementResult {
  requireSys(session, 'CREATE RESOURCE POOL');
  checkName('resource pool', statement.name);
  if (deps.store.pools.get({ name: statement.name })) {
    if (statement.isIfNotExists) return okResult();
    throw fail('POOL_EXISTS', { pool: statement.name });
  }
  if (statement.unit === null) throw fail('INVALID_ARGUMENT', { what: 'CREATE RESOURCE POOL: UNIT is missing' });
  deps.store.pools.insert({
    name: statement.name,
    poolId: deps.store.nextId(SYS_TENANT_ID, 'pool'),
    unitName: unitNamed(deps, statement.unit),
    unitNum: statement.unitNum ?? 1,
    zones: statement.zones ?? ['zone1'],
    tenantId: null,
  });
  return okResult();
}

export function alterPool(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'alterPool'>,
): StatementResult {
  requireSys(session, 'ALTER RESOURCE POOL');
  const pool = deps.store.pools.get({ name: statement.name });
  if (!pool) throw fail('POOL_NOT_EXIST', { pool: statement.name });
  const unitName = statement.unit === null ? pool.unitName : unitNamed(deps, statement.unit);
  deps.store.pools.change(
    { name: pool.name },
    { unitName, unitNum: statement.unitNum ?? pool.unitNum, zones: statement.zones ?? pool.zones },
  );
  return okResult();
}

export function dropPool(deps: SqlDependencies, session: Session, statement: StatementOf<'dropPool'>): StatementResult {
  requireSys(session, 'DROP RESOURCE POOL');
  const pool = deps.store.pools.get({ name: statement.name });
  if (!pool) {
    if (statement.isIfExists) return okResult();
    throw fail('POOL_NOT_EXIST', { pool: statement.name });
  }
  if (pool.tenantId !== null) throw fail('POOL_ALREADY_GRANTED', { pool: pool.name });
  deps.store.pools.remove({ name: pool.name });
  return okResult();
}
