// Parameters as views: a row for each cluster parameter, and one for each tenant parameter of each tenant.
import { SYS_TENANT_ID } from '../base/limits.ts';
import { PARAMETERS, type ParameterDefinition, type ParameterName } from '../model/parameter.ts';
import { bigint, type View, varchar, view } from './view.ts';
import type { ViewReader } from './view-reader.ts';

/** A server is one zone. */
export const ZONE = 'zone1';
/** No parameter waits for a restart. */
const EDIT_LEVEL = 'DYNAMIC_EFFECTIVE';
const NULLABLE = { isNullable: true } as const;

/** By name, as they are listed. */
export const PARAMETER_NAMES = (Object.keys(PARAMETERS) as ParameterName[]).sort();

/** What is shown of a parameter with this value. */
export function parameterFacts(name: ParameterName, value: string) {
  const definition: ParameterDefinition = PARAMETERS[name];
  return {
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
    const { scope, dataType, info, section, editLevel, defaultValue, isDefault } = parameterFacts(name, value);
    return {
      SVR_IP: host,
      SVR_PORT: port,
      ZONE,
      SCOPE: scope,
      TENANT_ID: tenantId,
      NAME: name,
      DATA_TYPE: dataType,
      VALUE: value,
      INFO: info,
      SECTION: section,
      EDIT_LEVEL: editLevel,
      DEFAULT_VALUE: defaultValue,
      ISDEFAULT: isDefault,
    };
  };
  const ofScope = (scope: ParameterDefinition['scope']) =>
    PARAMETER_NAMES.filter((name) => PARAMETERS[name].scope === scope);
  for (const name of ofScope('cluster')) yield row(name, null);
  for (const { tenantId } of reader.tenants()) for (const name of ofScope('tenant')) yield row(name, tenantId);
}

/** A cluster is one server: the view of all servers and that of this one are the same. */
export const PARAMETER_VIEWS: readonly View[] = ['GV$OB_PARAMETERS', 'V$OB_PARAMETERS'].map((name) =>
  view({ name, source: `OceanBase 4.3.3 docs, ${name}`, columns, rows }, { audience: 'everyone', reach: 'fleet' }),
);
