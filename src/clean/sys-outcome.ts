// How a statement of root@sys ends: decided from the jobs of its tenants. Pure.
import { COMMENT_CHARS_MAX, SYS_TENANT_ID } from '../base/limits.ts';
import type { DeleteJob } from '../model/delete-job.ts';

type Child = Pick<DeleteJob, 'tenantId' | 'status' | 'result' | 'comment' | 'successTaskCount' | 'endNs'>;

/** A tenant's job that root@sys asked for. */
export function isChild({ tenantId, initiatorTenantId }: Pick<DeleteJob, 'tenantId' | 'initiatorTenantId'>): boolean {
  return tenantId !== SYS_TENANT_ID && initiatorTenantId === SYS_TENANT_ID;
}

/** What the sys tenant's row says once all its children have ended; null while one has not. */
export function sysOutcome(
  sys: Pick<DeleteJob, 'status'>,
  children: readonly Child[],
):
  | (Pick<DeleteJob, 'result' | 'comment' | 'successTaskCount'> & { status: 'COMPLETED' | 'FAILED' | 'CANCELED' })
  | null {
  if (children.some(({ endNs }) => endNs === null)) return null;
  const successTaskCount = children.reduce((sum, child) => sum + child.successTaskCount, 0);
  const bad = children.filter(({ status }) => status !== 'COMPLETED');
  const first = bad.find(({ status }) => status === 'FAILED') ?? bad[0];
  const comment = first
    ? `${bad.length} of ${children.length} tenants failed; tenant ${first.tenantId}: ${first.comment}`
    : '';
  const told = { result: first?.result ?? 0, comment: comment.slice(0, COMMENT_CHARS_MAX), successTaskCount };
  if (sys.status === 'CANCELING') return { status: 'CANCELED', ...told };
  return { status: first ? 'FAILED' : 'COMPLETED', ...told };
}
