// Goal: whoever selects columns by place or by type gets what the documentation says. Method: the lists of the
// documentation, view by view.
import { describe, expect, test } from 'vitest';
import { SYSTEM_VIEWS } from './catalog.ts';
import { BASE_NAMES, documented, KEEPS_TENANT_ID, VIEW_DIFFERENCES } from './documented-views.fixture.ts';
import { typeText } from './type-text.ts';
import { shownColumns, type View } from './view.ts';

const viewNamed = (name: string): View => {
  const found = SYSTEM_VIEWS.find((view) => view.name === name);
  if (!found) throw new Error(`no view ${name}`);
  return found;
};

const declared = (name: string, mode: 'mysql' | 'oracle' = 'mysql') =>
  shownColumns(viewNamed(name).columns, mode).map((column) => `${column.name} ${typeText(column.type)}`);

describe('the documented columns', () => {
  test.each(BASE_NAMES)('CDB_%s has them in order, with their types', (name) => {
    expect(declared(`CDB_${name}`)).toEqual(documented(name).map((line) => line.split(' / ')[0]));
  });

  test.each(BASE_NAMES)('DBA_%s has the same, mostly without TENANT_ID, with the types of its own page', (name) => {
    const lines = documented(name).filter((line) => KEEPS_TENANT_ID.has(name) || !line.startsWith('TENANT_ID '));
    const expected = lines.map((line) => {
      const [first, dba] = line.split(' / ');
      return dba === undefined ? first : `${first!.split(' ')[0]} ${dba}`;
    });
    expect(declared(`DBA_${name}`)).toEqual(expected);
  });

  test('V$OB_ARCHIVE_DEST_STATUS keeps TENANT_ID everywhere', () => {
    const columns = documented('V$OB_ARCHIVE_DEST_STATUS');
    const added = ['LAG_MS bigint', 'WAL_BYTES bigint', 'PENDING_COMMITS bigint'];
    expect(declared('V$OB_ARCHIVE_DEST_STATUS')).toEqual([...columns, ...added]);
  });

  test('V$OB_LS_LOG_RESTORE_STATUS has the columns of its page', () => {
    expect(declared('V$OB_LS_LOG_RESTORE_STATUS')).toEqual(documented('V$OB_LS_LOG_RESTORE_STATUS'));
  });

  test('DBA_OB_TENANTS has the columns of its page', () => {
    expect(Object.keys(viewNamed('DBA_OB_TENANTS').columns)).toEqual(
      (
        'TENANT_ID TENANT_NAME TENANT_TYPE CREATE_TIME MODIFY_TIME PRIMARY_ZONE LOCALITY PREVIOUS_LOCALITY ' +
        'COMPATIBILITY_MODE STATUS IN_RECYCLEBIN LOCKED TENANT_ROLE SWITCHOVER_STATUS SWITCHOVER_EPOCH SYNC_SCN ' +
        'REPLAYABLE_SCN READABLE_SCN RECOVERY_UNTIL_SCN LOG_MODE ARBITRATION_SERVICE_STATUS UNIT_NUM COMPATIBLE MAX_LS_ID'
      ).split(' '),
    );
  });

  test('DBA_OB_ROOTSERVICE_EVENT_HISTORY has six names and values', () => {
    const pairs = [1, 2, 3, 4, 5, 6].flatMap((at) => [`NAME${at}`, `VALUE${at}`]);
    const columns = ['TIMESTAMP', 'MODULE', 'EVENT', ...pairs, 'EXTRA_INFO', 'RS_SVR_IP', 'RS_SVR_PORT'];
    expect(Object.keys(viewNamed('DBA_OB_ROOTSERVICE_EVENT_HISTORY').columns)).toEqual(columns);
  });

  test.each(['GV$OB_PARAMETERS', 'V$OB_PARAMETERS'])('%s has the columns of its page', (name) => {
    expect(Object.keys(viewNamed(name).columns).join(' ')).toBe(
      'SVR_IP SVR_PORT ZONE SCOPE TENANT_ID NAME DATA_TYPE VALUE INFO SECTION EDIT_LEVEL DEFAULT_VALUE ISDEFAULT',
    );
  });

  test('an oracle tenant has its own types: times of backups as text, no CREATE_TIMESTAMP of pieces', () => {
    expect(declared('DBA_OB_BACKUP_JOBS', 'oracle')).toContain('START_TIMESTAMP varchar(256)');
    expect(declared('DBA_OB_ARCHIVELOG_PIECE_FILES', 'oracle').join()).not.toContain('CREATE_TIMESTAMP');
    expect(declared('DBA_OB_ARCHIVELOG', 'oracle')).toContain('OUTPUT_BYTES_DISPLAY varchar(42)');
  });

  test('every column says what it is, and every view where it is documented', () => {
    for (const view of SYSTEM_VIEWS) {
      expect(view.source, view.name).not.toBe('');
      for (const [name, column] of Object.entries(view.columns))
        expect(column.info, `${view.name}.${name}`).not.toBe('');
    }
  });

  test('differences are told of views that there are', () => {
    for (const name of Object.keys(VIEW_DIFFERENCES)) expect(BASE_NAMES).toContain(name);
  });

  test('names are unique', () => {
    const names = SYSTEM_VIEWS.map((view) => view.name);
    expect(new Set(names).size).toBe(names.length);
  });
});
