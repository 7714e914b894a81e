// Parameters: one row each. SHOW PARAMETERS, ALTER SYSTEM SET, validation and docs/parameters.md all read this table.
import { parseDurationUs } from './size-text.ts';

export interface ParameterDefinition {
  scope: 'cluster' | 'tenant';
  type: 'time' | 'int' | 'bool' | 'string' | 'capacity';
  default: string;
  /** Inclusive bounds, in the parameter's own notation. */
  range?: readonly [string, string];
  /** The only values of a `string`, in lower case; left out: any text. */
  values?: readonly string[];
  section: string;
  info: string;
}

export const PARAMETERS = {
  archive_lag_target: {
    scope: 'tenant',
    type: 'time',
    default: '120s',
    range: ['0ms', '7200s'],
    section: 'LOG_ARCHIVE',
    info: 'Upper bound of the time between a commit and its arrival at the archive destination. A destination that can append is never more than a second behind; at an object store an object is put at most so often while little is committed; 0ms archives each commit at once.',
  },
  log_archive_concurrency: {
    scope: 'tenant',
    type: 'int',
    default: '0',
    range: ['0', '100'],
    section: 'LOG_ARCHIVE',
    info: 'Accepted for compatibility: each tenant has one capture, and the server shares them out.',
  },
  log_archive_wal_limit: {
    scope: 'tenant',
    type: 'capacity',
    default: '0M',
    section: 'LOG_ARCHIVE',
    info: "Size of the tenant's WAL beyond which an Optional archive gives up (INTERRUPTED) instead of letting it grow; 0M means never.",
  },
  archive_new_tenants: {
    scope: 'cluster',
    type: 'string',
    default: '',
    section: 'LOG_ARCHIVE',
    info: "Destination below which new tenants are protected without another statement: `file:///backup` gives tenant t with the id 1004 the destinations `/backup/t_1004/archive` and `/backup/t_1004/data`, and turns its log archive on; '' leaves that to statements.",
  },
  gap_repair: {
    scope: 'tenant',
    type: 'string',
    default: 'auto',
    values: ['auto', 'manual'],
    section: 'LOG_ARCHIVE',
    info: 'What follows an archive round whose log can not be continued. auto: the next round begins at once, with a commit of every page that differs from the end of the one before, so that no full backup is needed. manual: NOARCHIVELOG, ARCHIVELOG and a full backup.',
  },
  tde_method: {
    scope: 'tenant',
    type: 'string',
    default: 'none',
    values: ['none', 'internal'],
    section: 'OBSERVER',
    info: "internal: the tenant's backup sets and archived log are encrypted from now on, with keys made from a key of his own; BACKUP KEY writes that to a file. none: they are not, except sets with a session password. What is there stays as it is.",
  },
  ha_low_thread_score: {
    scope: 'tenant',
    type: 'int',
    default: '0',
    range: ['0', '100'],
    section: 'OBSERVER',
    info: 'Workers for backup and cleaning; 0 lets the server choose.',
  },
  ha_high_thread_score: {
    scope: 'tenant',
    type: 'int',
    default: '0',
    range: ['0', '100'],
    section: 'OBSERVER',
    info: 'Workers of restores, as the sys tenant has it; 0 lets the server choose, and `concurrency` in the WITH string of RESTORE comes before it.',
  },
  log_restore_concurrency: {
    scope: 'tenant',
    type: 'int',
    default: '0',
    range: ['0', '100'],
    section: 'LOGSERVICE',
    info: 'Accepted for compatibility: reading the archive needs one.',
  },
  backup_data_file_size: {
    scope: 'tenant',
    type: 'capacity',
    default: '512M',
    range: ['512M', '4G'],
    section: 'OBSERVER',
    info: 'Largest size of one data file of a backup set. A full backup whose server died goes on from the files that were complete, so small ones lose less.',
  },
  backup_clean_interval: {
    scope: 'cluster',
    type: 'time',
    default: '1h',
    range: ['1s', '7d'],
    section: 'OBSERVER',
    info: 'How often it is looked what delete policies let go by now.',
  },
  event_history_retention: {
    scope: 'cluster',
    type: 'time',
    default: '30d',
    range: ['1h', '3650d'],
    section: 'OBSERVER',
    info: 'How long DBA_OB_ROOTSERVICE_EVENT_HISTORY shows an event; of more than 50000 the oldest go before.',
  },
  audit_retention: {
    scope: 'cluster',
    type: 'time',
    default: '90d',
    range: ['1h', '3650d'],
    section: 'OBSERVER',
    info: 'How long CDB_HF_AUDIT keeps what was done; beyond 10000 entries of a tenant, or 100000 of all, the oldest go earlier.',
  },
  backup_compression_level: {
    scope: 'tenant',
    type: 'int',
    default: '1',
    range: ['-7', '19'],
    section: 'OBSERVER',
    info: 'How backup sets are compressed, as the levels of zstd: higher is smaller and slower, negative is faster and larger; 0 stores pages as they are. What does not become smaller is always stored as it is.',
  },
  tenant_destination_allow: {
    scope: 'cluster',
    type: 'string',
    default: '',
    section: 'OBSERVER',
    info: "Places below which administrators of tenants may name destinations and key files, separated by blanks or commas: `file:///backup/{tenant}_{tenant_id} s3://bucket/prefix?host=h`. A tenant's object store in it may be reached with the server's own rights, and on any network. '': every path outside of the data directory, and every object store on a public address for which the uri gives an access key. none: root@sys alone names them.",
  },
  destination_hosts_allow: {
    scope: 'cluster',
    type: 'string',
    default: '',
    section: 'OBSERVER',
    info: 'Hosts of object stores that may be connected to although their addresses would be refused: names, `*.corp.example`, addresses and ranges (`10.1.0.0/16`), separated by blanks or commas. Link-local, metadata and multicast addresses are refused to everybody else, private and loopback ones to uris that a tenant named.',
  },
  destination_ca: {
    scope: 'cluster',
    type: 'string',
    default: '',
    section: 'OBSERVER',
    info: 'PEM file with certificates of authorities that object stores are trusted by, besides those that come with Node.js. For what is opened from then on.',
  },
} as const satisfies Record<string, ParameterDefinition>;

/** Parameters of OceanBase 2.x and 3.x, each with what is there instead. */
export const RETIRED_PARAMETERS: Readonly<Record<string, string>> = {
  backup_dest: 'DATA_BACKUP_DEST and LOG_ARCHIVE_DEST',
  backup_dest_option: 'the attributes of LOG_ARCHIVE_DEST',
  backup_backup_dest: 'nothing',
  backup_backup_dest_option: 'nothing',
  backup_recovery_window: 'ADD DELETE BACKUP POLICY',
  auto_delete_expired_backup: 'ADD DELETE BACKUP POLICY',
  enable_log_archive: 'ARCHIVELOG and NOARCHIVELOG',
  log_archive_checkpoint_interval: 'archive_lag_target',
  log_archive_batch_buffer_limit: 'nothing',
  backup_log_archive_option: 'BINDING of LOG_ARCHIVE_DEST',
  backup_concurrency: 'ha_low_thread_score',
  backup_net_limit: 'max_bandwidth of a destination',
  restore_concurrency: 'ha_high_thread_score',
  backup_region: 'nothing',
  backup_zone: 'nothing',
};

export type ParameterName = keyof typeof PARAMETERS;

const CAPACITY_UNITS: Record<string, bigint> = { B: 1n, K: 1n << 10n, M: 1n << 20n, G: 1n << 30n, T: 1n << 40n };

/** Parses `4G`, `512M`, `100` (bytes). */
export function parseCapacityBytes(text: string): bigint | undefined {
  const match = /^(\d{1,15})\s*([BKMGT])?B?$/i.exec(text.trim());
  if (!match) return undefined;
  return BigInt(match[1]!) * CAPACITY_UNITS[(match[2] ?? 'B').toUpperCase()]!;
}

function toNumber(type: ParameterDefinition['type'], text: string): bigint | undefined {
  if (type === 'time') return parseDurationUs(text);
  if (type === 'capacity') return parseCapacityBytes(text);
  return /^-?\d{1,18}$/.test(text.trim()) ? BigInt(text.trim()) : undefined;
}

/** True when the text is a value of the parameter within its range. */
export function isParameterValue(definition: ParameterDefinition, text: string): boolean {
  if (definition.type === 'string') return definition.values?.includes(text.toLowerCase()) ?? true;
  if (definition.type === 'bool') return /^(true|false|on|off|0|1)$/i.test(text);
  const value = toNumber(definition.type, text);
  if (value === undefined) return false;
  if (!definition.range) return value >= 0n;
  return (
    value >= toNumber(definition.type, definition.range[0])! && value <= toNumber(definition.type, definition.range[1])!
  );
}

export function isParameterName(name: string): name is ParameterName {
  return Object.hasOwn(PARAMETERS, name);
}
