// CATALOG BACKUP: records the sets, rounds and pieces that lie at a tenant's destinations.
import { okResult, type StatementResult } from '../model/result.ts';
import type { RowCounts, RowReceiver } from '../rebuild/rebuild-service.ts';
import { isSys, type SqlDependencies } from './dependencies.ts';
import type { StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';
import { oneTenant } from './target-tenants.ts';

export async function catalogBackup(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'catalogBackup'>,
  signal: AbortSignal,
): Promise<StatementResult> {
  const receiver = receiverOf(deps, session, statement);
  const { sets, rounds, pieces, warnings } = await deps.rebuild.rebuild({ uris: statement.uris, receiver, signal });
  for (const { errno, message } of warnings) session.warnings.push({ level: 'Warning', errno, message });
  const recorded = sets.recorded + rounds.recorded + pieces.recorded;
  const info = [countText('Backup sets', sets), countText('Rounds', rounds), countText('Pieces', pieces)].join('  ');
  return { ...okResult(BigInt(recorded), 0n, session.warnings.length), info };
}

function receiverOf(deps: SqlDependencies, session: Session, statement: StatementOf<'catalogBackup'>): RowReceiver {
  // Without a name sys means the tenant whose backups they are: on an empty machine there is none to name.
  if (isSys(session) && statement.tenants === null) return { kind: 'source' };
  const { tenantId } = oneTenant(deps, session, statement.tenants, 'ALTER SYSTEM CATALOG BACKUP');
  return { kind: isSys(session) ? 'named' : 'own', tenantId };
}

function countText(what: string, { found, recorded }: RowCounts): string {
  return `${what}: ${found} found, ${recorded} recorded`;
}
