// The view of the audit: who managed what and when, and who logged in or tried to.
import { bigint, datetime, deriveDba, longtext, NULLABLE, type View, varchar, view } from './view.ts';

const CDB_HF_AUDIT = view({
  name: 'CDB_HF_AUDIT',
  source: 'ours',
  columns: {
    TENANT_ID: bigint(
      'The tenant whose session it was, or that was to be logged in to; 1 for one that does not exist.',
    ),
    EVENT_ID: bigint('Ascending over all tenants.'),
    EVENT_TYPE: varchar(16, 'STATEMENT or LOGIN.'),
    EVENT_TIME: datetime(6, 'When it began; of several events the first.'),
    LAST_EVENT_TIME: datetime(6, 'Of several events the last.'),
    EVENT_COUNT: bigint('Log-ins, and refused statements, that are alike are counted for a day in one row.'),
    USER_NAME: varchar(
      128,
      'The account; (unknown) where there is none of that name, (others) where there were too many.',
    ),
    CLIENT_IP: varchar(64, 'Address of the client, (others) where there were too many.'),
    CONNECTION_ID: bigint('The connection; NULL where a row stands for several events.', NULLABLE),
    STATEMENT: longtext('The statement, secrets hidden; NULL for a log-in.', NULLABLE),
    RESULT: bigint(
      'Error number as MySQL clients know it, 0 for none; NULL while it runs, or when the server ended meanwhile.',
      NULLABLE,
    ),
    ELAPSED_US: bigint('How long it ran; NULL as for RESULT, and where a row stands for several events.', NULLABLE),
  },
  *rows(reader) {
    for (const event of reader.store.auditEvents.find(reader.where)) {
      const { tenantId } = event;
      yield {
        TENANT_ID: tenantId,
        EVENT_ID: event.eventId,
        EVENT_TYPE: event.kind,
        EVENT_TIME: reader.showTime(tenantId, event.firstNs),
        LAST_EVENT_TIME: reader.showTime(tenantId, event.lastNs),
        EVENT_COUNT: event.count,
        USER_NAME: event.user,
        CLIENT_IP: event.host,
        CONNECTION_ID: event.connectionId,
        STATEMENT: event.statement,
        RESULT: event.errno,
        ELAPSED_US: event.elapsedUs,
      };
    }
  },
});

export const AUDIT_VIEWS: readonly View[] = [CDB_HF_AUDIT, deriveDba(CDB_HF_AUDIT)];
