// View of the copies of backup sets: which destination has which set, and what is still to be copied.
import type { Binding } from '../model/archive-round.ts';
import { dataPlaces } from '../store/data-places.ts';
import { shownUri } from './figures.ts';
import { bigint, deriveDba, NULLABLE, ORACLE_TIME, timestamp, type View, varchar, view } from './view.ts';

const CDB_HF_BACKUP_SET_COPIES = view({
  name: 'CDB_HF_BACKUP_SET_COPIES',
  source: 'Holdfast: one row per backup set and destination that has, or is to get, a copy of it',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    BACKUP_SET_ID: bigint('The set.'),
    DEST_NO: bigint(
      '1 to 3 for DATA_BACKUP_DEST_1 to _3; 0 for DATA_BACKUP_DEST; NULL: no destination any more.',
      NULLABLE,
    ),
    DEST_ID: bigint('Number of the destination, from 1001.'),
    PATH: varchar(4096, 'Destination, without credentials.'),
    BINDING: varchar(9, 'MANDATORY: the job waits for the copy; OPTIONAL: it does not.', NULLABLE),
    STATUS: varchar(16, 'WAITING, COPYING, AVAILABLE, BROKEN, DELETING or DELETED.'),
    TOTAL_BYTES: bigint('Bytes of the set; 0 before they are known.'),
    COPIED_BYTES: bigint('Bytes that are copied.'),
    START_TIMESTAMP: timestamp(6, 'First try; NULL before.', { ...ORACLE_TIME, ...NULLABLE }),
    END_TIMESTAMP: timestamp(6, 'When it became complete, or was deleted.', { ...ORACLE_TIME, ...NULLABLE }),
    RESULT: bigint('0, or the number of the error of the last try.'),
    COMMENT: varchar(4096, 'Number and text of the error.'),
  },
  *rows(reader) {
    const { store } = reader;
    const places = new Map<number, Map<string, { destNo: number; binding: Binding }>>();
    const placeOf = (tenantId: number, uri: string) => {
      const own = places.get(tenantId) ?? new Map(dataPlaces(store, tenantId).map((place) => [place.uri, place]));
      places.set(tenantId, own);
      return own.get(uri);
    };
    for (const copy of store.setCopies.find(reader.where)) {
      const place = placeOf(copy.tenantId, copy.uri);
      yield {
        TENANT_ID: copy.tenantId,
        BACKUP_SET_ID: copy.backupSetId,
        DEST_NO: place?.destNo ?? null,
        DEST_ID: copy.destId,
        PATH: shownUri(copy.uri),
        BINDING: place?.binding ?? null,
        STATUS: copy.status,
        TOTAL_BYTES: copy.totalBytes,
        COPIED_BYTES: copy.copiedBytes,
        START_TIMESTAMP: reader.showTime(copy.tenantId, copy.startNs),
        END_TIMESTAMP: reader.showTime(copy.tenantId, copy.endNs),
        RESULT: copy.result,
        COMMENT: copy.comment,
      };
    }
  },
});

export const COPY_VIEWS: readonly View[] = [CDB_HF_BACKUP_SET_COPIES, deriveDba(CDB_HF_BACKUP_SET_COPIES)];
