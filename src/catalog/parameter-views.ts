// Parameters as views: a row for each cluster parameter, which sys alone sees, and one for each tenant parameter of each tenant.
import { SYS_TENANT_ID } from '../base/limits.ts';
import { PARAMETERS, type ParameterDefinition, type ParameterName } from '../model/parameter.ts';
import { shownUri } from './figures.ts';
import { bigint, NULLABLE, type View, varchar, view } from './view.ts';
import type { ViewReader } from './view-reader.ts';

/** A server is one zone. */
export const ZONE = 'zone1';
/** No parameter waits for a restart. */
const EDIT_LEVEL = 'DYNAMIC_EFFECTIVE';

const NAMES = (Object.keys(PARAMETERS) as ParameterName[]).sort();

export const isOfCluster = (name: ParameterName) => PARAMETERS[name].scope === 'cluster';

/** What is listed, by name: how the cluster is set up is for sys to know. */
export function parameterNames({ isSys }: { isSys: boolean }): ParameterName[] {
  return isSys ? NAMES : NAMES.filter((name) => !isOfCluster(name));
}

/** What is shown of a parameter with this value. */
export function parameterFacts(name: ParameterName, value: string) {
  const definition: ParameterDefinition = PARAMETERS[name];
  return {
    value: shownUri(value),
    scope: definition.scope.toUpperCase(),
    dataType: definition.type.toUpperCase(),
    info: definition.info,
    section: definition.section,
    editLevel: EDIT_LEVEL,
    defaultValue: definition.default,
    isDefault: value === definition.default ? 'YES' : 'NO',
  };
}

const columns = {
  SVR_IP: varchar(46, 'Address of this server.'),
  SVR_PORT: bigint('Its port.'),
  ZONE: varchar(128, 'Its zone; there is one.'),
  SCOPE: varchar(64, 'CLUSTER or TENANT.'),
  TENANT_ID: bigint('The tenant; NULL for a cluster parameter.', NULLABLE),
  NAME: varchar(256, 'The parameter.'),
  DATA_TYPE: varchar(64, 'TIME, INT, BOOL, STRING or CAPACITY.', NULLABLE),
  VALUE: varchar(4096, 'Its value.'),
  INFO: varchar(4096, 'What it is for.'),
  SECTION: varchar(1024, 'The part of the server that it belongs to.'),
  EDIT_LEVEL: varchar(1024, 'DYNAMIC_EFFECTIVE: a change needs no restart.'),
  DEFAULT_VALUE: varchar(4096, 'Its value when it was never set.'),
  ISDEFAULT: varchar(3, 'YES while it has that value.'),
};

function* rows(reader: ViewReader) {
  const values = reader.store.parametersSet();
  const { host, port } = reader.address;
  const row = (name: ParameterName, tenantId: number | null) => {
    const value = values.get(tenantId ?? SYS_TENANT_ID)?.get(name) ?? PARAMETERS[name].default;
    const facts = parameterFacts(name, value);
    return {
      SVR_IP: host,
      SVR_PORT: port,
      ZONE,
      SCOPE: facts.scope,
      TENANT_ID: tenantId,
      NAME: name,
      DATA_TYPE: facts.dataType,
      VALUE: facts.value,
      INFO: facts.info,
      SECTION: facts.section,
      EDIT_LEVEL: facts.editLevel,
      DEFAULT_VALUE: facts.defaultValue,
      ISDEFAULT: facts.isDefault,
    };
  };
  const isSys = reader.where.tenantId === undefined;
  if (isSys) for (const name of parameterNames({ isSys }).filter(isOfCluster)) yield row(name, null);
  const own = parameterNames({ isSys: false });
  for (const { tenantId } of reader.tenants()) for (const name of own) yield row(name, tenantId);
}

/** A cluster is one server: the view of all servers and that of this one are the same. */
export const PARAMETER_VIEWS: readonly View[] = ['GV$OB_PARAMETERS', 'V$OB_PARAMETERS'].map((name) =>
  view({ name, source: `OceanBase 4.3.3 docs, ${name}`, columns, rows }, { audience: 'everyone', reach: 'fleet' }),
);
