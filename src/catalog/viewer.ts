// Who looks at the system views.
import type { Rights } from '../model/privilege.ts';
import type { TenantMode } from '../model/tenant.ts';

/** A session as the catalog sees it. */
export interface Viewer {
  readonly tenantId: number;
  readonly tenantName: string;
  readonly mode: TenantMode;
  readonly user: string;
  /** What he may do, and so see. */
  readonly rights: Rights;
  /** Database chosen with USE; null for none. */
  readonly database: string | null;
  /** The system variables as SHOW VARIABLES prints them. */
  variables(scope: 'SESSION' | 'GLOBAL'): readonly { name: string; value: string }[];
}
