// The system variables that ordinary clients read and set, as data. What a session sets is kept and given back; few of
// them change anything here, and those that would mean something untrue are read-only.
import { CHARACTER_SETS, COLLATIONS, DEFAULT_CHARSET, DEFAULT_COLLATION } from '../catalog/character-sets.ts';
import type { TenantMode } from '../model/tenant.ts';

/** What a default may depend on. */
export interface ServerFacts {
  serverVersion: string;
  host: string;
  port: number;
  mode: TenantMode;
  /** The tenant's own. */
  timeZone: string;
  /** The machine's. */
  systemTimeZone: string;
  isTls: boolean;
}

export type VariableType = 'bool' | 'int' | 'text';

export interface VariableDefinition {
  scope: 'both' | 'global' | 'session';
  type: VariableType;
  /** As SHOW VARIABLES prints it: ON and OFF for `bool`. */
  default: string | ((facts: ServerFacts) => string);
  isReadOnly: boolean;
  /** Inclusive bounds of an `int`; a value outside of them is cut to them with a warning, as in MySQL. */
  range?: readonly [bigint, bigint];
  /** Every text that is taken, upper case; left out: any. */
  values?: readonly string[];
  /** What a text must be besides. */
  kind?: 'charset' | 'collation' | 'timeZone' | 'sqlMode';
}

const INT_MAX = (1n << 63n) - 1n;
const UINT32_MAX = (1n << 32n) - 1n;
/** A year in seconds, MySQL's bound of most waits. */
const SECONDS_MAX = 31_536_000n;

type Default = VariableDefinition['default'];

const int = (value: string, max: bigint = UINT32_MAX, min = 0n): VariableDefinition => ({
  scope: 'both',
  type: 'int',
  default: value,
  isReadOnly: false,
  range: [min, max],
});
const bool = (value: 'ON' | 'OFF'): VariableDefinition => ({
  scope: 'both',
  type: 'bool',
  default: value,
  isReadOnly: false,
});
const text = (value: Default, more: Pick<VariableDefinition, 'values' | 'kind'> = {}): VariableDefinition => ({
  scope: 'both',
  type: 'text',
  default: value,
  isReadOnly: false,
  ...more,
});
/** A fact of the server. */
const fixed = (type: VariableType, value: Default): VariableDefinition => ({
  scope: 'global',
  type,
  default: value,
  isReadOnly: true,
});
const sessionOnly = (definition: VariableDefinition): VariableDefinition => ({ ...definition, scope: 'session' });
const globalOnly = (definition: VariableDefinition): VariableDefinition => ({ ...definition, scope: 'global' });

/** SQLite runs transactions one after the other: stronger than whatever level is asked for. */
const ISOLATION = text('SERIALIZABLE', {
  values: ['READ-UNCOMMITTED', 'READ-COMMITTED', 'REPEATABLE-READ', 'SERIALIZABLE'],
});
const CHARSET = text(DEFAULT_CHARSET, { kind: 'charset' });
const COLLATION = text(DEFAULT_COLLATION, { kind: 'collation' });
const haveTls: Default = (facts) => (facts.isTls ? 'YES' : 'DISABLED');

/** Other names of a variable. */
export const ALIASES: Readonly<Record<string, string>> = {
  tx_isolation: 'transaction_isolation',
  tx_read_only: 'transaction_read_only',
  character_set: 'character_set_connection',
};

export const SQL_MODES: ReadonlySet<string> = new Set(
  (
    'REAL_AS_FLOAT PIPES_AS_CONCAT ANSI_QUOTES IGNORE_SPACE ONLY_FULL_GROUP_BY NO_UNSIGNED_SUBTRACTION ' +
    'NO_DIR_IN_CREATE ANSI NO_AUTO_VALUE_ON_ZERO NO_BACKSLASH_ESCAPES STRICT_TRANS_TABLES STRICT_ALL_TABLES ' +
    'NO_ZERO_IN_DATE NO_ZERO_DATE ALLOW_INVALID_DATES ERROR_FOR_DIVISION_BY_ZERO TRADITIONAL NO_AUTO_CREATE_USER ' +
    'HIGH_NOT_PRECEDENCE NO_ENGINE_SUBSTITUTION PAD_CHAR_TO_FULL_LENGTH TIME_TRUNCATE_FRACTIONAL MYSQL40 ORACLE DB2 ' +
    'MAXDB MSSQL POSTGRESQL NO_FIELD_OPTIONS NO_KEY_OPTIONS NO_TABLE_OPTIONS MYSQL323'
  ).split(' '),
);

export const VARIABLES: Readonly<Record<string, VariableDefinition>> = {
  // ## What the server is
  version: fixed('text', (facts) => facts.serverVersion),
  version_comment: fixed('text', 'Holdfast, tenant-level backup and restore with the SQL of OceanBase'),
  version_compile_machine: fixed('text', process.arch),
  version_compile_os: fixed('text', process.platform),
  protocol_version: fixed('int', '10'),
  license: fixed('text', 'Apache-2.0'),
  hostname: fixed('text', (facts) => facts.host),
  port: fixed('int', (facts) => String(facts.port)),
  socket: fixed('text', ''),
  datadir: fixed('text', ''),
  basedir: fixed('text', ''),
  server_id: fixed('int', '1'),
  server_uuid: fixed('text', ''),
  system_time_zone: fixed('text', (facts) => facts.systemTimeZone),
  lower_case_table_names: fixed('int', '2'),
  lower_case_file_system: fixed('bool', 'OFF'),
  performance_schema: fixed('bool', 'OFF'),
  have_ssl: fixed('text', haveTls),
  have_openssl: fixed('text', haveTls),
  have_compress: fixed('text', 'NO'),
  have_profiling: fixed('text', 'NO'),
  have_query_cache: fixed('text', 'NO'),
  have_statement_timeout: fixed('text', 'NO'),
  log_bin: fixed('bool', 'OFF'),
  log_error: fixed('text', 'stderr'),
  skip_networking: fixed('bool', 'OFF'),
  skip_name_resolve: fixed('bool', 'ON'),
  innodb_version: fixed('text', ''),
  default_authentication_plugin: fixed('text', 'mysql_native_password'),
  language: fixed('text', 'english'),
  tls_version: fixed('text', 'TLSv1.2,TLSv1.3'),
  character_set_system: fixed('text', 'utf8'),
  character_sets_dir: fixed('text', ''),
  query_cache_size: fixed('int', '0'),
  query_cache_type: fixed('text', 'OFF'),
  ob_compatibility_mode: fixed('text', (facts) => facts.mode.toUpperCase()),
  ob_compatibility_version: fixed('text', '4.3.3.0'),
  ob_last_schema_version: fixed('int', '0'),

  // ## Text
  character_set_client: CHARSET,
  character_set_connection: CHARSET,
  character_set_results: CHARSET,
  character_set_database: CHARSET,
  character_set_server: CHARSET,
  character_set_filesystem: text('binary', { kind: 'charset' }),
  collation_connection: COLLATION,
  collation_database: COLLATION,
  collation_server: COLLATION,

  // ## Sessions and transactions
  autocommit: bool('ON'),
  transaction_isolation: ISOLATION,
  transaction_read_only: bool('OFF'),
  completion_type: text('NO_CHAIN', { values: ['NO_CHAIN', 'CHAIN', 'RELEASE', '0', '1', '2'] }),
  sql_mode: text('STRICT_ALL_TABLES', { kind: 'sqlMode' }),
  time_zone: text((facts) => facts.timeZone, { kind: 'timeZone' }),
  init_connect: globalOnly(text('')),
  foreign_key_checks: bool('ON'),
  unique_checks: bool('ON'),
  sql_safe_updates: bool('OFF'),
  sql_select_limit: int(String(INT_MAX), INT_MAX),
  sql_auto_is_null: bool('OFF'),
  sql_notes: bool('ON'),
  sql_warnings: bool('OFF'),
  sql_quote_show_create: bool('ON'),
  sql_big_selects: bool('ON'),
  sql_log_bin: sessionOnly(bool('ON')),
  sql_require_primary_key: bool('OFF'),
  timestamp: sessionOnly(text('0')),
  identity: sessionOnly(int('0', INT_MAX)),
  insert_id: sessionOnly(int('0', INT_MAX)),
  pseudo_thread_id: sessionOnly(int('0', INT_MAX)),
  auto_increment_increment: int('1', 65_535n, 1n),
  auto_increment_offset: int('1', 65_535n, 1n),
  explicit_defaults_for_timestamp: bool('ON'),
  div_precision_increment: int('4', 30n),
  group_concat_max_len: int('1024', INT_MAX, 4n),
  last_insert_id: sessionOnly(int('0', INT_MAX)),
  default_storage_engine: text('sqlite'),
  default_tmp_storage_engine: text('sqlite'),
  lc_messages: text('en_US'),
  lc_time_names: text('en_US'),
  block_encryption_mode: text('aes-128-ecb'),
  session_track_gtids: text('OFF'),
  session_track_schema: bool('OFF'),
  session_track_state_change: bool('OFF'),
  session_track_system_variables: text(''),
  session_track_transaction_info: text('OFF'),
  profiling: bool('OFF'),
  optimizer_switch: text(''),
  show_create_table_verbosity: bool('OFF'),
  information_schema_stats_expiry: int('86400'),
  old_passwords: int('0'),
  ssl_cipher: sessionOnly(text('')),

  // ## Bounds and waits
  max_allowed_packet: int('67108864', 1_073_741_824n, 1024n),
  max_connections: fixed('int', '10000'),
  max_user_connections: int('0'),
  max_execution_time: int('0'),
  max_sp_recursion_depth: int('0', 255n),
  max_join_size: int(String(INT_MAX), INT_MAX, 1n),
  net_buffer_length: int('16384', 1_048_576n, 1024n),
  net_read_timeout: int('30', SECONDS_MAX, 1n),
  net_write_timeout: int('60', SECONDS_MAX, 1n),
  net_retry_count: int('10'),
  wait_timeout: int('28800', SECONDS_MAX, 1n),
  interactive_timeout: int('28800', SECONDS_MAX, 1n),
  connect_timeout: globalOnly(int('10', SECONDS_MAX, 2n)),
  lock_wait_timeout: int('31536000', SECONDS_MAX, 1n),
  innodb_lock_wait_timeout: int('50', 1_073_741_824n, 1n),
  long_query_time: text('10.000000'),
  read_only: globalOnly(bool('OFF')),
  super_read_only: globalOnly(bool('OFF')),
  general_log: globalOnly(bool('OFF')),
  slow_query_log: globalOnly(bool('OFF')),
  tmp_table_size: int('16777216', INT_MAX, 1024n),
  max_heap_table_size: int('16777216', INT_MAX, 16_384n),
  sort_buffer_size: int('262144', INT_MAX, 32_768n),

  // ## OceanBase's own, microseconds where they are times
  ob_query_timeout: int('10000000', INT_MAX),
  ob_trx_timeout: int('86400000000', INT_MAX),
  ob_trx_idle_timeout: int('86400000000', INT_MAX),
  ob_trx_lock_timeout: int('-1', INT_MAX, -1n),
  ob_pl_block_timeout: int('3216672000000000', INT_MAX),
  ob_read_consistency: text('STRONG', { values: ['STRONG', 'WEAK', 'FROZEN', '1', '2', '3'] }),
  ob_log_level: text('disabled'),
  ob_enable_show_trace: bool('OFF'),
  ob_enable_trace_log: bool('OFF'),
  ob_enable_transmission_checksum: bool('ON'),
  ob_proxy_partition_hit: bool('ON'),
  ob_capability_flag: sessionOnly(int('0', INT_MAX)),
  recyclebin: bool('OFF'),
  secure_file_priv: fixed('text', ''),

  // ## Sessions of oracle tenants
  nls_date_format: text('DD-MON-RR'),
  nls_timestamp_format: text('DD-MON-RR HH.MI.SSXFF AM'),
  nls_timestamp_tz_format: text('DD-MON-RR HH.MI.SSXFF AM TZR'),
  nls_language: text('AMERICAN'),
  nls_territory: text('AMERICA'),
  nls_sort: text('BINARY'),
  nls_comp: text('BINARY'),
  nls_calendar: text('GREGORIAN'),
  nls_numeric_characters: text('.,'),
  ncharacter_set_connection: text('AL16UTF16'),
  nls_characterset: fixed('text', 'AL32UTF8'),
  nls_nchar_characterset: fixed('text', 'AL16UTF16'),
};

/** The collation that belongs to a character set, and the other way round. */
export function collationOf(charset: string): string {
  return CHARACTER_SETS.find(({ name }) => name === charset)?.defaultCollation ?? DEFAULT_COLLATION;
}
export function charsetOf(collation: string): string {
  return COLLATIONS.find(({ name }) => name === collation)?.charset ?? DEFAULT_CHARSET;
}
