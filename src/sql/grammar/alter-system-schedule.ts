// ALTER SYSTEM statements about schedules.
import { SCHEDULE_TYPES } from '../../model/schedule.ts';
import { readTenantList } from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { AddSchedule, ChangeSchedule } from './statement.ts';

function readName(cursor: Cursor): string {
  cursor.acceptOperator('=');
  return cursor.name();
}

/** ADD BACKUP SCHEDULE …, these words already read. Its options stand in any order, each once. */
export function parseAddSchedule(cursor: Cursor): AddSchedule {
  const found: Partial<AddSchedule> = {};
  const name = readName(cursor);
  const text = () => cursor.string();
  const options = {
    TYPE: () => ({ type: cursor.expectOneOf(SCHEDULE_TYPES) }),
    CRON: () => ({ cron: text() }),
    TENANT: () => ({ tenants: readTenantList(cursor) }),
    PASSWORD: () => ({ password: text() }),
    LEVEL: () => ({ level: text() }),
    BUDGET: () => ({ budget: text() }),
    DESCRIPTION: () => ({ description: text() }),
  } satisfies Record<string, () => Partial<AddSchedule>>;
  const left = new Set(Object.keys(options) as Array<keyof typeof options>);
  while (!cursor.isAtEnd) {
    const option = cursor.expectOneOf([...left]);
    left.delete(option);
    cursor.acceptOperator('=');
    Object.assign(found, options[option]());
  }
  const { type, cron } = found;
  if (type === undefined || cron === undefined) throw cursor.error();
  const none = { tenants: null, password: null, level: null, budget: null, description: null };
  return { kind: 'addSchedule', name, ...none, ...found, type, cron };
}

/** {DROP | PAUSE | RESUME} BACKUP SCHEDULE …, these words already read. */
export function parseChangeSchedule(cursor: Cursor, change: ChangeSchedule['change']): ChangeSchedule {
  return { kind: 'changeSchedule', change, name: readName(cursor) };
}
