// SHOW of what the server and the session are: variables, parameters, connections, warnings, grants, tenants.

import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { CHARACTER_SETS, COLLATIONS } from '../catalog/character-sets.ts';
import { isOfCluster, parameterFacts, parameterNames, ZONE } from '../catalog/parameter-views.ts';
import { quoteNameMysql, quoteString } from '../engine/sql-tokens.ts';
import { GRANT_LEVELS, type GrantLevel, isAdministrator } from '../model/privilege.ts';
import type { Tenant } from '../model/tenant.ts';
import { userOf } from './accounts.ts';
import { isSys, ownTenant } from './dependencies.ts';
import { columns, type Listing, type ShowRequest, toBig } from './show-listing.ts';
import { listVariables } from './variables.ts';
import { viewerOf } from './viewer-of.ts';

/** How much of a running statement SHOW PROCESSLIST without FULL prints. @source MySQL 5.7 */
const INFO_CHARS_MAX = 100;
const SERVER_TYPE = 'observer';

export function showVariables({ deps, session, statement }: ShowRequest): Listing {
  const listed = listVariables(deps, session, statement.scope ?? 'SESSION');
  return {
    columns: columns({ Variable_name: 'text', Value: 'line' }),
    rows: listed.map(({ name, value }) => [name, value]),
  };
}

export function showStatus({ deps, session }: ShowRequest): Listing {
  const seen = deps.catalog.connections(viewerOf(deps, session));
  const running = seen.filter((connection) => connection.info !== null);
  const status: Record<string, string> = {
    Compression: 'OFF',
    Ssl_cipher: session.isTls ? 'TLS' : '',
    Ssl_version: session.isTls ? 'TLS' : '',
    Threads_connected: String(seen.length),
    Threads_running: String(running.length),
  };
  return { columns: columns({ Variable_name: 'text', Value: 'line' }), rows: Object.entries(status) };
}

/** Whose parameters: a user tenant's own; sys may name one. @throws NO_PRIVILEGE (1227), TENANT_NOT_EXIST (5160) */
function parameterTenantId({ deps, session, statement }: ShowRequest): number {
  if (statement.tenant === null) return session.tenantId;
  const tenant = deps.store.tenantNamed(statement.tenant);
  if (!isSys(session) && tenant.tenantId !== session.tenantId) {
    throw fail('NO_PRIVILEGE', { privilege: 'SUPER (a tenant names no other tenant)' });
  }
  return tenant.tenantId;
}

export function showParameters(request: ShowRequest): Listing {
  const { deps, session } = request;
  const tenantId = parameterTenantId(request);
  const { host, port } = deps.catalog.context.listenAddress;
  const rows = parameterNames({ isSys: isSys(session) }).map((name) => {
    const set = deps.store.parameter(isOfCluster(name) ? SYS_TENANT_ID : tenantId, name);
    const { value, dataType, info, section, scope, editLevel, defaultValue, isDefault } = parameterFacts(name, set);
    const place = [ZONE, SERVER_TYPE, host, BigInt(port)];
    return [...place, name, dataType, value, info, section, scope, 'DEFAULT', editLevel, defaultValue, isDefault];
  });
  return {
    columns: columns({
      zone: 'text',
      svr_type: 'text',
      svr_ip: 'text',
      svr_port: 'number',
      name: 'text',
      data_type: 'text',
      value: 'line',
      info: 'line',
      section: 'text',
      scope: 'text',
      source: 'text',
      edit_level: 'text',
      default_value: 'line',
      isdefault: 'text',
    }),
    rows,
    likeColumn: 4,
  };
}

export function showWarnings({ session, statement }: ShowRequest): Listing {
  const wanted = session.warnings.filter(({ level }) => statement.subject === 'WARNINGS' || level === 'Error');
  const { offset, count } = statement.limit ?? { offset: 0, count: wanted.length };
  return {
    columns: columns({ Level: 'text', Code: 'number', Message: 'line' }),
    rows: wanted.slice(offset, offset + count).map(({ level, errno, message }) => [level, BigInt(errno), message]),
  };
}

export function showWarningCount({ session, statement }: ShowRequest): Listing {
  const isErrors = statement.subject === 'COUNT ERRORS';
  const count = session.warnings.filter(({ level }) => !isErrors || level === 'Error').length;
  const name = isErrors ? '@@session.error_count' : '@@session.warning_count';
  return { columns: columns({ [name]: 'number' }), rows: [[BigInt(count)]] };
}

export function showProcesslist({ deps, session, statement }: ShowRequest): Listing {
  return {
    columns: columns({
      Id: 'number',
      User: 'text',
      Host: 'text',
      db: 'text',
      Command: 'text',
      Time: 'number',
      State: 'text',
      Info: 'long',
    }),
    rows: deps.catalog
      .connections(viewerOf(deps, session))
      .map((connection) => [
        BigInt(connection.id),
        connection.user,
        connection.host,
        connection.database,
        connection.command,
        BigInt(Math.floor(connection.elapsedMs / 1000)),
        connection.info === null ? '' : 'executing',
        statement.isFull ? connection.info : (connection.info?.slice(0, INFO_CHARS_MAX) ?? null),
      ]),
  };
}

export function showEngines({ deps, session }: ShowRequest): Listing {
  const engines = isSys(session)
    ? deps.store.userTenants().map((tenant) => tenant.engine)
    : [ownTenant(deps, session).engine];
  return {
    columns: columns({
      Engine: 'text',
      Support: 'text',
      Comment: 'line',
      Transactions: 'text',
      XA: 'text',
      Savepoints: 'text',
    }),
    rows: [...new Set(engines.length > 0 ? engines : ['sqlite'])].map((engine, index) => [
      engine,
      index === 0 ? 'DEFAULT' : 'YES',
      'Holds the data of tenants',
      'YES',
      'NO',
      'YES',
    ]),
  };
}

export function showCharset(): Listing {
  return {
    columns: columns({ Charset: 'text', Description: 'text', 'Default collation': 'text', Maxlen: 'number' }),
    rows: CHARACTER_SETS.map((charset) => [
      charset.name,
      charset.description,
      charset.defaultCollation,
      toBig(charset.maxBytes),
    ]),
  };
}

export function showCollation(): Listing {
  const isDefault = (name: string) => CHARACTER_SETS.some((charset) => charset.defaultCollation === name);
  return {
    columns: columns({
      Collation: 'text',
      Charset: 'text',
      Id: 'number',
      Default: 'text',
      Compiled: 'text',
      Sortlen: 'number',
    }),
    rows: COLLATIONS.map(({ name, charset, id }) => [
      name,
      charset,
      BigInt(id),
      isDefault(name) ? 'Yes' : '',
      'Yes',
      1n,
    ]),
  };
}

/** One line for each level, `*.*` always. @throws NO_SUCH_GRANT (1141) for an unknown user */
export function showGrants({ deps, session, statement }: ShowRequest): Listing {
  const user = statement.account ? userOf(statement.account) : session.user;
  const account = deps.store.accounts.get({ tenantId: session.tenantId, user });
  if (!account) throw fail('NO_SUCH_GRANT', { user, host: '%' });
  const name = `${quoteString(account.user)}@'%'`;
  const lineOf = (level: GrantLevel) => {
    const names = account.grants
      .filter((grant) => grant.level === level)
      .map(({ privilege }) => (privilege === 'ALL' ? 'ALL PRIVILEGES' : privilege));
    if (names.length === 0 && level !== 'GLOBAL') return [];
    return [`GRANT ${names.join(', ') || 'USAGE'} ON ${levelText(deps, session, level)} TO ${name}`];
  };
  const lines = isAdministrator(session.mode, account.user)
    ? [`GRANT ALL PRIVILEGES ON *.* TO ${name} WITH GRANT OPTION`]
    : GRANT_LEVELS.flatMap(lineOf);
  return { columns: columns({ [`Grants for ${account.user}@%`]: 'line' }), rows: lines.map((line) => [line]) };
}

function levelText({ catalog }: ShowRequest['deps'], session: ShowRequest['session'], level: GrantLevel): string {
  if (level === 'GLOBAL') return '*.*';
  return `${quoteNameMysql(level === 'DATA' ? catalog.dataDatabase : catalog.systemSchema(session))}.*`;
}

export function showPrivileges(): Listing {
  return {
    columns: columns({ Privilege: 'text', Context: 'text', Comment: 'line' }),
    rows: [
      ['Select', 'Databases', 'To read the system views, or the tables of the tenant'],
      [
        'Alter system',
        'Server Admin',
        'To manage: archive, backup, restore, cleaning, parameters; in sys of every tenant',
      ],
      ['All', 'Databases,Server Admin', "Both, and to write the tenant's tables; not to manage accounts"],
      ['Usage', 'Server Admin', 'No privileges: to log in only'],
    ],
  };
}

export function showTenant({ session }: ShowRequest): Listing {
  return { columns: columns({ Current_tenant_name: 'text' }), rows: [[session.tenantName]] };
}

/** sys lists all tenants, a tenant itself. */
export function showTenants({ deps, session }: ShowRequest): Listing {
  const tenants: Tenant[] = isSys(session) ? deps.store.tenants.find() : [ownTenant(deps, session)];
  return {
    columns: columns({
      tenant_id: 'number',
      tenant_name: 'text',
      compatibility_mode: 'text',
      status: 'text',
      tenant_role: 'text',
      log_mode: 'text',
    }),
    likeColumn: 1,
    rows: tenants.map((tenant) => [
      BigInt(tenant.tenantId),
      tenant.name,
      tenant.mode.toUpperCase(),
      tenant.status,
      tenant.role,
      tenant.isArchiveMode ? 'ARCHIVELOG' : 'NOARCHIVELOG',
    ]),
  };
}

/** @throws NO_PRIVILEGE (1227), TENANT_NOT_EXIST (5160) */
export function showCreateTenant(request: ShowRequest): Listing {
  const { deps, session, statement } = request;
  const tenant = deps.store.tenantNamed(statement.tenant!);
  if (!isSys(session) && tenant.tenantId !== session.tenantId) {
    throw fail('NO_PRIVILEGE', { privilege: 'SUPER (a tenant names no other tenant)' });
  }
  const parts = [`CREATE TENANT ${quoteNameMysql(tenant.name)}`];
  if (tenant.engine !== '') parts.push(`ENGINE = '${tenant.engine}'`);
  if (tenant.isAdopted) parts.push(`LOCATION = ${quoteString(tenant.location)}`);
  if (tenant.poolName !== null) parts.push(`RESOURCE_POOL_LIST = ('${tenant.poolName}')`);
  if (tenant.comment !== '') parts.push(`COMMENT ${quoteString(tenant.comment)}`);
  parts.push(`SET ob_compatibility_mode = '${tenant.mode}'`);
  return { columns: columns({ Tenant: 'text', 'Create Tenant': 'long' }), rows: [[tenant.name, parts.join(' ')]] };
}
