// `format.obbak`: who owns a destination. Checked JSON of kind `format-file`, at the root of every destination.
import { fail } from '../base/errors.ts';
import { KIB } from '../base/limits.ts';
import { checkedJson } from './checked-json.ts';
import { clusterId, id, name, uuid } from './fact-codecs.ts';
import { oneOf, record, uint64 } from './json-codec.ts';

export const FORMAT_FILE_VERSION = 1;
/** A format file has eight short fields. */
export const FORMAT_FILE_BYTES_MAX = 16 * KIB;

export type DestKind = 'archive_log' | 'backup_data';

export interface FormatFile {
  /** Version of the destination's whole layout. */
  formatVersion: number;
  clusterName: string;
  /** 1 to 2^32-1. */
  clusterId: number;
  clusterUuid: string;
  tenantId: number;
  tenantName: string;
  destKind: DestKind;
  destId: number;
  createdNs: bigint;
}

/** Who claims a destination, for what and when, in the present layout. */
export function newFormatFile(
  cluster: { name: string; clusterId: number; uuid: string },
  tenant: { tenantId: number; name: string },
  of: Pick<FormatFile, 'destKind' | 'destId' | 'createdNs'>,
): FormatFile {
  return {
    formatVersion: FORMAT_FILE_VERSION,
    clusterName: cluster.name,
    clusterId: cluster.clusterId,
    clusterUuid: cluster.uuid,
    tenantId: tenant.tenantId,
    tenantName: tenant.name,
    ...of,
  };
}

const file = checkedJson<FormatFile>({
  kind: 'format-file',
  version: FORMAT_FILE_VERSION,
  bytesMax: FORMAT_FILE_BYTES_MAX,
  codec: record<FormatFile>({
    formatVersion: id,
    clusterName: name,
    clusterId,
    clusterUuid: uuid,
    tenantId: id,
    tenantName: name,
    destKind: oneOf('archive_log', 'backup_data'),
    destId: id,
    createdNs: uint64,
  }),
});

export function encodeFormatFile(value: FormatFile): Uint8Array {
  return file.encode(value);
}

/** @throws BACKUP_DATA_CORRUPT (9010) naming `object` */
export function decodeFormatFile(bytes: Uint8Array, object = 'format.obbak'): FormatFile {
  const value = file.decode(bytes, object);
  if (value.formatVersion === FORMAT_FILE_VERSION) return value;
  const because = `its layout is version ${value.formatVersion}, this server knows ${FORMAT_FILE_VERSION}`;
  throw fail('BACKUP_DATA_CORRUPT', { object, because });
}
