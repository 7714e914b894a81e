// Tenants and what they are made of: cluster, tenant, resource unit and pool, administrators.
import { NAME_CHARS_MAX } from '../base/limits.ts';
import type { Moves } from './moves.ts';
import type { Scn } from './scn.ts';

export type TenantMode = 'mysql' | 'oracle';
export type TenantRole = 'PRIMARY' | 'STANDBY' | 'RESTORE';

/**
 * CREATING: its row exists, its database not yet. NORMAL: usable. RESTORE: being restored.
 * DROPPING: being removed; its row goes last.
 */
export type TenantStatus = 'CREATING' | 'NORMAL' | 'RESTORE' | 'DROPPING';

export const TENANT_MOVES = {
  CREATING: ['NORMAL', 'DROPPING'],
  RESTORE: ['NORMAL', 'DROPPING'],
  NORMAL: ['DROPPING'],
  DROPPING: [],
} as const satisfies Moves<TenantStatus>;

export interface Cluster {
  name: string;
  /** 1 to 2^32-1; written into every format file, so that a destination knows its owner. */
  clusterId: number;
  /** Random; tells two clusters of the same name and id apart. */
  uuid: string;
}

export interface Tenant {
  tenantId: number;
  name: string;
  mode: TenantMode;
  role: TenantRole;
  status: TenantStatus;
  /** Name of the engine driver that holds the data. */
  engine: string;
  /** Absolute path of the database file; '' for the sys tenant. */
  location: string;
  /** True for an application's own database; DROP TENANT then leaves the file alone. */
  isAdopted: boolean;
  /** Zone in which the tenant's times are shown and written. */
  timeZone: string;
  isArchiveMode: boolean;
  /** Highest scn ever given to this tenant; 0n before the first. */
  lastScn: Scn;
  /** SCN up to which a restored tenant was recovered; 0n for others. */
  recoveryUntilScn: Scn;
  poolName: string | null;
  comment: string;
  createdNs: bigint;
}

export interface ResourceUnit {
  name: string;
  unitId: number;
  maxCpu: number;
  minCpu: number;
  memoryBytes: bigint;
  /** Other attributes as they were written, for SHOW and for whoever reads them back. */
  attributes: Record<string, string>;
}

export interface ResourcePool {
  name: string;
  poolId: number;
  unitName: string;
  unitNum: number;
  zones: string[];
  tenantId: number | null;
}

/** The administrator account of a tenant. */
export function administratorOf(mode: TenantMode): 'root' | 'SYS' {
  return mode === 'oracle' ? 'SYS' : 'root';
}

const NAME = /^[A-Za-z_][A-Za-z0-9_$-]*$/;

/** True for a name that a tenant, unit or pool may have: it also names directories and goes into connection strings. */
export function isName(name: string): boolean {
  return name.length <= NAME_CHARS_MAX && NAME.test(name);
}

/** SQLite's own name of the database that holds a tenant's tables; clients see it under this name. */
export const DATA_DATABASE = 'main';

const AUXILIARY_PREFIX = 'AUX_RECOVER$';

/** The name of the tenant that a table recovery restores for a while. @source OceanBase 4.3.3 docs, AUX_TENANT_NAME */
export const auxiliaryTenantName = (nowUs: bigint): string => `${AUXILIARY_PREFIX}${nowUs}`;

/** Nobody logs in to such a tenant, and statements about all tenants do not mean it. */
export const isAuxiliaryTenantName = (name: string): boolean => name.toUpperCase().startsWith(AUXILIARY_PREFIX);

/** True when two names mean one tenant. */
export function isSameTenantName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Names no user tenant may take. */
export function isReservedTenantName(name: string): boolean {
  const upper = name.toUpperCase();
  return (
    ['SYS', 'ALL', 'ALL_USER', 'ALL_META', 'META'].includes(upper) ||
    upper.startsWith('META$') ||
    isAuxiliaryTenantName(name)
  );
}
