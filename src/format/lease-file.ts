// `lease/<generation>.obbak`: who writes a destination. Checked JSON of kind `lease`. Whoever created the greatest generation
// holds the destination; nothing here is ever changed or removed.
import { KIB } from '../base/limits.ts';
import { checkedJson } from './checked-json.ts';
import { id, uuid, version } from './fact-codecs.ts';
import type { DestKind } from './format-file.ts';
import { hex, nullable, oneOf, record, text, uint64 } from './json-codec.ts';

const LEASE_FILE_VERSION = 1;
/** Twelve short fields, of which a path is the longest. */
export const LEASE_FILE_BYTES_MAX = 32 * KIB;
/** @source POSIX, HOST_NAME_MAX */
export const HOST_NAME_CHARS_MAX = 255;
/** @source Linux, PATH_MAX */
export const DATA_DIR_CHARS_MAX = 4096;
export const INSTANCE_ID_BYTES = 16;
const HASH_BYTES = 32;

/** One life of one server. */
export interface LeaseHolder {
  /** Random, kept in the data directory: a copy of the directory has it too. */
  instanceId: Uint8Array;
  /** Hash of the machine's own id; null where there is none. */
  machine: Uint8Array | null;
  /** Hash of the boot of the machine and of the place of the data directory on its disk; null where neither is known. */
  life: Uint8Array | null;
  /** Random, new at each start. */
  process: Uint8Array;
  hostName: string;
  /** Absolute. */
  dataDir: string;
  serverVersion: string;
}

export interface LeaseFile extends LeaseHolder {
  /** From 1; that of the file's name. */
  generation: number;
  clusterUuid: string;
  tenantId: number;
  destKind: DestKind;
  acquiredNs: bigint;
}

const file = checkedJson<LeaseFile>({
  kind: 'lease',
  version: LEASE_FILE_VERSION,
  bytesMax: LEASE_FILE_BYTES_MAX,
  codec: record<LeaseFile>({
    generation: id,
    clusterUuid: uuid,
    tenantId: id,
    destKind: oneOf('archive_log', 'backup_data'),
    instanceId: hex(INSTANCE_ID_BYTES),
    machine: nullable(hex(HASH_BYTES)),
    life: nullable(hex(HASH_BYTES)),
    process: hex(INSTANCE_ID_BYTES),
    hostName: text(HOST_NAME_CHARS_MAX),
    dataDir: text(DATA_DIR_CHARS_MAX),
    serverVersion: version,
    acquiredNs: uint64,
  }),
});

export function encodeLeaseFile(value: LeaseFile): Uint8Array {
  return file.encode(value);
}

/** @throws BACKUP_DATA_CORRUPT (9010) naming `object` */
export function decodeLeaseFile(bytes: Uint8Array, object: string): LeaseFile {
  return file.decode(bytes, object);
}
