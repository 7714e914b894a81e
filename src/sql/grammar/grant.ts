// GRANT and REVOKE: the three privileges on everything, on the system views or on the tenant's own tables. What else
// MySQL can grant is known and refused, and the refusal says what there is.
import type { Privilege } from '../../model/privilege.ts';
import { readAccount } from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { GrantPrivileges, GrantTarget, NotSupported, RevokePrivileges } from './statement.ts';
import { refuse } from './user.ts';

/** USAGE is MySQL's word for no privilege; GRANT OPTION is known only to be refused, and in REVOKE ALL. */
type Named = Privilege | 'USAGE' | 'GRANT OPTION';

function readPrivilege(cursor: Cursor): Named | NotSupported {
  if (cursor.accept('ALTER', 'SYSTEM')) return 'ALTER SYSTEM';
  if (cursor.accept('GRANT', 'OPTION')) return 'GRANT OPTION';
  if (cursor.accept('ALL')) {
    cursor.accept('PRIVILEGES');
    return 'ALL';
  }
  const word = cursor.acceptOneOf(['SELECT', 'USAGE']);
  if (word && !cursor.isOperator('(')) return word;
  if (!cursor.isAtName && !word) throw cursor.error();
  const words: string[] = word ? [`${word} of columns`] : [];
  while (!word && cursor.word() !== '' && !cursor.at('ON') && !cursor.at('TO') && !cursor.at('FROM')) {
    words.push(cursor.word());
    cursor.take();
  }
  const what = words.length > 0 ? `the privilege ${words.join(' ')}` : 'a role';
  return refuse(cursor, `${what} (there are SELECT, ALTER SYSTEM and ALL)`);
}

/** @returns the refusal of the first that can not be granted */
function readPrivileges(cursor: Cursor): Named[] | NotSupported {
  const named: Named[] = [];
  do {
    const privilege = readPrivilege(cursor);
    if (typeof privilege !== 'string') return privilege;
    named.push(privilege);
  } while (cursor.acceptOperator(','));
  return named;
}

const isPrivilege = (named: Named): named is Privilege => named !== 'USAGE' && named !== 'GRANT OPTION';

/** `ON {*.* | db.*}`; ALTER SYSTEM alone holds everywhere and may do without. */
function readTarget(cursor: Cursor, named: readonly Named[]): GrantTarget | NotSupported {
  if (!cursor.at('ON') && named.every((privilege) => privilege === 'ALTER SYSTEM')) return 'ALL';
  cursor.expect('ON');
  // A database may have the name of a kind of object; then a point follows at once.
  const kind = cursor.isOperator('.', 1) ? null : cursor.acceptOneOf(['TABLE', 'FUNCTION', 'PROCEDURE', 'DIRECTORY']);
  const levels = 'on anything but *.* and database.*';
  if (kind !== null && kind !== 'TABLE') return refuse(cursor, `a grant ${levels}`);
  if (cursor.acceptOperator('*')) {
    if (!cursor.acceptOperator('.')) return refuse(cursor, `a grant ${levels}`);
    cursor.expectOperator('*');
    return 'ALL';
  }
  const database = cursor.identifier();
  if (!cursor.acceptOperator('.') || !cursor.acceptOperator('*')) return refuse(cursor, `a grant ${levels}`);
  return { database };
}

const isRefusal = (read: unknown): read is NotSupported =>
  typeof read === 'object' && read !== null && 'kind' in read && read.kind === 'notSupported';

/** GRANT privilege[, …] [ON …] TO user[, …], the word already read. */
export function parseGrant(cursor: Cursor): GrantPrivileges | NotSupported {
  const named = readPrivileges(cursor);
  if (isRefusal(named)) return named;
  const on = readTarget(cursor, named);
  if (isRefusal(on)) return on;
  cursor.expect('TO');
  const accounts = cursor.list(() => readAccount(cursor));
  if (cursor.at('IDENTIFIED')) return refuse(cursor, 'GRANT … IDENTIFIED BY (CREATE USER makes users)');
  if (named.includes('GRANT OPTION') || cursor.at('WITH'))
    return refuse(cursor, 'WITH GRANT OPTION (only the administrator grants)');
  cursor.end();
  return { kind: 'grant', privileges: named.filter(isPrivilege), on, accounts };
}

/** REVOKE privilege[, …] [ON …] FROM user[, …], and REVOKE ALL, GRANT OPTION FROM …; the word already read. */
export function parseRevoke(cursor: Cursor): RevokePrivileges | NotSupported {
  const named = readPrivileges(cursor);
  if (isRefusal(named)) return named;
  const isEverything = named.length === 2 && named[0] === 'ALL' && named[1] === 'GRANT OPTION' && cursor.at('FROM');
  const on = isEverything ? null : readTarget(cursor, named);
  if (isRefusal(on)) return on;
  if (!isEverything && named.includes('GRANT OPTION'))
    return refuse(cursor, 'the privilege GRANT OPTION (only the administrator grants)');
  cursor.expect('FROM');
  const accounts = cursor.list(() => readAccount(cursor));
  cursor.end();
  return { kind: 'revoke', privileges: named.filter(isPrivilege), on, accounts };
}
