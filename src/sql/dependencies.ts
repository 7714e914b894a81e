// What statements call: the same functions for every client. Built once by the composition root.
import type { ArchiveService } from '../archive/archive-service.ts';
import type { AuditService } from '../audit/audit-service.ts';
import type { BackupService } from '../backup/backup-service.ts';
import type { Clock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { CleanService } from '../clean/clean-service.ts';
import type { OpenDestination } from '../destination/destination.ts';
import type { KeyService } from '../keys/key-service.ts';
import type { TakeOverService } from '../lease/take-over.ts';
import type { Tenant } from '../model/tenant.ts';
import type { RebuildService } from '../rebuild/rebuild-service.ts';
import type { RecoverService } from '../recover/recover-service.ts';
import type { RestoreRequest, RestoreService } from '../restore/restore-service.ts';
import type { StandbyService } from '../restore/standby-service.ts';
import type { ScheduleService } from '../schedule/schedule-service.ts';
import type { Store } from '../store/store.ts';
import type { TenantService } from '../tenant/tenant-service.ts';
import type { ValidateService } from '../validate/validate-service.ts';
import type { ConnectionRegistry } from './connections.ts';
import type { Session } from './session.ts';

export interface SqlDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  catalog: Catalog;
  tenants: TenantService;
  archive: ArchiveService;
  backup: BackupService;
  clean: CleanService;
  restore: RestoreService;
  standby: StandbyService;
  recover: RecoverService<RestoreRequest>;
  rebuild: RebuildService;
  schedule: ScheduleService;
  audit: AuditService;
  validate: ValidateService;
  keys: KeyService;
  takeOver: TakeOverService;
  connections: ConnectionRegistry;
  openDestination: OpenDestination;
  /** The server's own files, which no statement may name. */
  dataDir: string;
  serverVersion: string;
}

export function isSys(session: Session): boolean {
  return session.tenantId === SYS_TENANT_ID;
}

/** @throws NOT_ALLOWED for a user tenant: `what` says what only root@sys may do */
export function requireSys(session: Session, what: string): void {
  if (!isSys(session)) throw fail('NO_PRIVILEGE', { privilege: `SUPER (${what} belongs to root@sys)` });
}

/** The session's own tenant, freshly read. */
export function ownTenant(deps: SqlDependencies, session: Session): Tenant {
  const tenant = deps.store.tenants.get({ tenantId: session.tenantId });
  if (!tenant) throw fail('TENANT_NOT_EXIST', { tenant: session.tenantName });
  return tenant;
}
