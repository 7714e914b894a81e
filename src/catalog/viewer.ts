// Who looks at the system views.
import type { TenantMode } from '../model/tenant.ts';

/** A session as the catalog sees it. */
export interface Viewer {
  readonly tenantId: number;
  readonly tenantName: string;
  readonly mode: TenantMode;
  readonly user: string;
  /** Database chosen with USE; null for none. */
  readonly database: string | null;
  /** The system variables as SHOW VARIABLES prints them. */
  variables(scope: 'SESSION' | 'GLOBAL'): readonly { name: string; value: string }[];
}
