// What needs the access key of a destination. A test holds that every table that names a destination is listed.
import { SYS_TENANT_ID } from '../base/limits.ts';

/** Tables with the columns `tenant_id` and `uri`: which of their rows need the key. */
export const ACCESS_USES: Readonly<Record<string, string>> = {
  archive_dest: 'TRUE',
  archive_copy_dest: 'TRUE',
  archive_round_copy: "status <> 'STOP'",
  archive_piece_copy: "file_status <> 'DELETED'",
  data_dest: 'TRUE',
  data_dest_copy: 'TRUE',
  archive_round: "status <> 'STOP'",
  archive_piece: "file_status <> 'DELETED'",
  backup_set: "file_status <> 'DELETED'",
  backup_set_copy: "status <> 'DELETED'",
  backup_job: 'end_ns IS NULL',
  backup_task: 'end_ns IS NULL',
  delete_task: 'end_ns IS NULL',
  validate_job: 'end_ns IS NULL',
  validate_task: 'end_ns IS NULL',
};

/** Tables that name destinations and need no key for it: what is or was said of a path, and who writes there. */
export const ACCESS_NOT_USED = ['destination', 'destination_history', 'destination_access', 'verification', 'lease'];

const BY_URI = Object.entries(ACCESS_USES).map(
  ([table, needs]) => `SELECT 1 FROM ${table} u WHERE u.tenant_id = a.tenant_id AND u.uri = a.uri AND ${needs}`,
);

/** Texts that hold a uri with its options behind it. */
const isOf = (column: string) => `(${column} = a.uri OR substr(${column}, 1, length(a.uri) + 1) = a.uri || '&')`;

const BY_TEXT = [
  `SELECT 1 FROM standby s WHERE s.tenant_id = a.tenant_id AND ${isOf('s.source_uri')}`,
  // A restore reads with keys of the sys tenant, and leaves those of its archives to the tenant that it makes.
  `SELECT 1 FROM restore_job r WHERE r.end_ns IS NULL AND a.tenant_id IN (r.restore_tenant_id, ${SYS_TENANT_ID})`,
  `SELECT 1 FROM parameter p WHERE p.tenant_id = a.tenant_id AND p.name = 'archive_new_tenants' AND ${isOf('p.value')}`,
];

export const FORGET_ACCESS = `DELETE FROM destination_access AS a WHERE ${[...BY_URI, ...BY_TEXT]
  .map((use) => `NOT EXISTS (${use})`)
  .join(' AND ')}`;
