// ALTER SYSTEM [SET] name = value: destinations, their state, and parameters.
import { fail } from '../../base/errors.ts';
import { FIRST_DEST_NO } from '../../model/archive-copy.ts';
import { readOneTenant, readValue } from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { AlterSystemStatement, ParameterAssignment } from './statement.ts';

const SCOPES = ['MEMORY', 'SPFILE', 'BOTH'] as const;

function readAssignment(cursor: Cursor): ParameterAssignment {
  const name = cursor.name().toLowerCase();
  cursor.expectOperator('=');
  const assignment: ParameterAssignment = {
    name,
    value: readValue(cursor),
    comment: null,
    scope: null,
    server: null,
    zone: null,
    tenants: null,
  };
  const clauses = { COMMENT: 0, SCOPE: 1, SERVER: 2, ZONE: 2, TENANT: 3 };
  let place = 0;
  for (;;) {
    const word = cursor.word() as keyof typeof clauses;
    const at = Object.hasOwn(clauses, word) ? clauses[word] : -1;
    // Each clause once, in the documented order; SERVER and ZONE exclude one another.
    if (at < place) return assignment;
    place = at + 1;
    if (word === 'TENANT') assignment.tenants = readOneTenant(cursor);
    else readClause(cursor, word, assignment);
  }
}

function readClause(
  cursor: Cursor,
  word: 'COMMENT' | 'SCOPE' | 'SERVER' | 'ZONE',
  assignment: ParameterAssignment,
): void {
  cursor.take();
  cursor.acceptOperator('=');
  if (word === 'COMMENT') assignment.comment = cursor.string();
  else if (word === 'SCOPE') assignment.scope = cursor.expectOneOf(SCOPES);
  else if (word === 'SERVER') assignment.server = cursor.string();
  else assignment.zone = cursor.name();
}

/** The names that are set like parameters and kept with the tenant's backup records. */
const DESTINATION = /^(log_archive_dest(_state)?|data_backup_dest)(_[1-3])?$|^log_restore_source$/;
const DEAD = /^log_archive_dest(_state)?_[4-8]$/;

/** `log_archive_dest_2`: 2. */
function destNoOf(name: string): number {
  return Number(/_(\d)$/.exec(name)?.[1] ?? FIRST_DEST_NO);
}

function toDestination({ name, value, tenants }: ParameterAssignment): AlterSystemStatement {
  if (name === 'log_restore_source') return { kind: 'setLogRestoreSource', source: value, tenants };
  const destNo = destNoOf(name);
  if (name.startsWith('data_backup_dest')) return { kind: 'setDataBackupDest', destNo, value, tenants };
  if (!name.startsWith('log_archive_dest_state')) return { kind: 'setArchiveDest', destNo, attributes: value, tenants };
  const state = value.toUpperCase();
  if (state !== 'ENABLE' && state !== 'DEFER') throw fail('INVALID_ARGUMENT', { what: name.toUpperCase() });
  return { kind: 'setArchiveDestState', destNo, state, tenants };
}

/**
 * Reads what follows ALTER SYSTEM [SET].
 * @throws INVALID_ARGUMENT (4002) for a state other than ENABLE and DEFER;
 *         NOT_SUPPORTED (4007) for a destination beside another assignment or with a clause other than TENANT
 */
export function parseAlterSystemSet(cursor: Cursor): AlterSystemStatement {
  const assignments = cursor.list(() => readAssignment(cursor));
  cursor.end();
  const special = assignments.find(({ name }) => DESTINATION.test(name) || DEAD.test(name));
  if (!special) return { kind: 'setParameters', assignments };
  const shown = special.name.toUpperCase();
  if (DEAD.test(special.name)) return { kind: 'dead', what: `${shown} is` };
  if (assignments.length > 1) throw fail('NOT_SUPPORTED', { what: `${shown} together with other parameters is` });
  if (special.comment ?? special.scope ?? special.server ?? special.zone) {
    throw fail('NOT_SUPPORTED', { what: `${shown} with COMMENT, SCOPE, SERVER or ZONE is` });
  }
  return toDestination(special);
}
