// The gate of every statement: parsed, allowed for this account, and recorded when it manages something.
import type { AuditedStatement } from '../audit/audit-service.ts';
import { toClientError } from '../base/errors.ts';
import { quoteString } from '../engine/sql-tokens.ts';
import type { StatementResult } from '../model/result.ts';
import type { SqlDependencies } from './dependencies.ts';
import { managingForm, parseStatement } from './grammar/parse.ts';
import { redactSecrets } from './grammar/redact.ts';
import type { Account, Statement } from './grammar/statement.ts';
import { may, requireRight } from './rights.ts';
import type { Session } from './session.ts';
import { isAudited, needOf } from './statement-needs.ts';

/** Stands for all of a text that could not be read: nobody knows where in it a password is. */
const HIDDEN = '******';

const errnoOf = (error: unknown) => toClientError(error, 'mysql').errno;

function actorOf({ tenantId, user, host, id }: Session) {
  return { tenantId, user, host, connectionId: id };
}

/** What a text was to be, whatever it says. */
const formText = (session: Session, sql: string) => `${managingForm(sql, session.mode) ?? ''} ${HIDDEN}`.trimStart();

const accountText = ({ user, host }: Account) => `${quoteString(user)}@${quoteString(host ?? '%')}`;

/** The statement as the audit keeps it. Redaction would hide every literal about users, also whom it is about. */
function auditText(session: Session, sql: string, statement: Statement): string {
  // It was known by its first words, and the rest was not read.
  if (statement.kind === 'notSupported' || statement.kind === 'dead') return formText(session, sql);
  if (statement.kind === 'setPassword') {
    const whose = statement.account ? ` FOR ${accountText(statement.account)}` : '';
    return `SET PASSWORD${whose} = '${HIDDEN}'`;
  }
  if (statement.kind !== 'createUser') return redactSecrets(sql, session.mode);
  const users = statement.users.map(({ account }) => accountText(account));
  return `CREATE USER ${users.join(', ')} IDENTIFIED BY '${HIDDEN}'`;
}

/**
 * Reads one statement and checks that the account of the session may run it. A refusal to manage something is recorded.
 * @throws NO_PRIVILEGE (1227); what `parseStatement` throws
 */
export function admit(deps: SqlDependencies, session: Session, sql: string): Statement {
  const refused = (text: string, error: unknown) => {
    deps.audit.count({ ...actorOf(session), text }, errnoOf(error));
    return error;
  };
  let statement: Statement;
  try {
    statement = parseStatement(sql, session.mode);
  } catch (error) {
    throw managingForm(sql, session.mode) === null ? error : refused(formText(session, sql), error);
  }
  try {
    requireRight(deps, session, needOf(statement, session.user));
  } catch (error) {
    throw isAudited(statement, session.user) ? refused(auditText(session, sql, statement), error) : error;
  }
  return statement;
}

/** @returns to be called with the number of the error, or 0 */
function beginAudit(deps: SqlDependencies, session: Session, statement: AuditedStatement): (errno: number) => void {
  if (!may(deps, session, 'ALTER SYSTEM')) return (errno) => deps.audit.count(statement, errno);
  const startMs = deps.clock.monotonicMs();
  const eventId = deps.audit.begin(statement);
  return (errno) => {
    const elapsedUs = Math.round((deps.clock.monotonicMs() - startMs) * 1000);
    deps.audit.end(eventId, { errno, elapsedUs });
  };
}

/**
 * Runs an admitted statement. One that manages something is recorded before it begins, and again when it has ended.
 * What anybody may run (his own password, KILL of his own connections) is only counted, unless he is a manager.
 */
export async function runAudited(
  deps: SqlDependencies,
  session: Session,
  { sql, statement }: { sql: string; statement: Statement },
  run: () => Promise<StatementResult> | StatementResult,
): Promise<StatementResult> {
  if (!isAudited(statement, session.user)) return run();
  const end = beginAudit(deps, session, { ...actorOf(session), text: auditText(session, sql, statement) });
  try {
    const result = await run();
    end(0);
    return result;
  } catch (error) {
    end(errnoOf(error));
    throw error;
  }
}
