// The event history: what the server did and was told, by module, with up to six names and values.
import { SYS_TENANT_ID } from '../base/limits.ts';
import { EVENT_FACTS_MAX, type RecordedEvent } from '../model/event.ts';
import { bigint, longtext, timestamp, type ViewColumn, varchar, view } from './view.ts';

const MODULES = 'backup_data, log_archive, physical_restore, backup_clean, schedule, tenant or parameter.';

/** NAME1, VALUE1, NAME2, … */
function pairs(): Record<string, ViewColumn<string | null>> {
  const columns: Record<string, ViewColumn<string | null>> = {};
  for (let at = 1; at <= EVENT_FACTS_MAX; at++) {
    columns[`NAME${at}`] = varchar(256, `What VALUE${at} is, for example tenant_id, job_id or result; else empty.`);
    columns[`VALUE${at}`] = longtext('Its value; a result is an error number, 0 for none.');
  }
  return columns;
}

function shownPairs(facts: RecordedEvent['facts']): Record<string, string> {
  const shown: Record<string, string> = {};
  for (let at = 1; at <= EVENT_FACTS_MAX; at++) {
    const [name, value] = facts[at - 1] ?? ['', ''];
    shown[`NAME${at}`] = name;
    shown[`VALUE${at}`] = value;
  }
  return shown;
}

export const DBA_OB_ROOTSERVICE_EVENT_HISTORY = view(
  {
    name: 'DBA_OB_ROOTSERVICE_EVENT_HISTORY',
    source: 'OceanBase 4.3.3 docs, DBA_OB_ROOTSERVICE_EVENT_HISTORY',
    columns: {
      TIMESTAMP: timestamp(6, 'When it happened.'),
      MODULE: varchar(32, MODULES),
      EVENT: varchar(256, 'What happened, for example start_backup_data or change_status.'),
      ...pairs(),
      EXTRA_INFO: varchar(4096, 'More of it in words, for example the COMMENT of the job or round.'),
      RS_SVR_IP: varchar(46, 'Address of this server.'),
      RS_SVR_PORT: bigint('Its port.'),
    },
    *rows(reader) {
      const { host, port } = reader.address;
      for (const { timeNs, module, event, facts, extraInfo } of reader.store.events.since(reader.nowNs)) {
        yield {
          TIMESTAMP: reader.showTime(SYS_TENANT_ID, timeNs),
          MODULE: module,
          EVENT: event,
          ...shownPairs(facts),
          EXTRA_INFO: extraInfo,
          RS_SVR_IP: host,
          RS_SVR_PORT: port,
        };
      }
    },
  },
  { audience: 'sys', reach: 'fleet' },
);
