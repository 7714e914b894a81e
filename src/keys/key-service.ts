// What the keys room offers to statements.
import type { ExportedKey } from '../format/key-file.ts';

/** A key file as a statement names it. */
export interface KeyFilePlace {
  /** `file:///directory/file` or the absolute path alone. */
  path: string;
  password: string;
}

export interface KeyService {
  /**
   * Gives a tenant a new key for what is encrypted from now on; earlier versions stay for what is there. The archive is to
   * be told afterwards.
   * @throws NOT_SUPPORTED (4007) while the tenant's encryption is off; INVALID_ARGUMENT (4002) for too many versions
   */
  rotate(tenantId: number): void;
  /** tde_method is internal from now on, in the caller's transaction: the tenant gets his first key. */
  ensure(tenantId: number): void;
  /**
   * BACKUP KEY: writes all versions of a tenant's key to one new file, durably.
   * @throws ENTRY_NOT_EXIST for a tenant without a key; INVALID_BACKUP_DEST (9026), BACKUP_PERMISSION_DENIED (9071),
   *         BACKUP_DEST_NOT_CONNECT (9070), ENTRY_EXISTS for a place where it can not be written
   */
  exportKeys(tenantId: number, place: KeyFilePlace): Promise<void>;
  /**
   * WITH KEY FROM: reads a key file.
   * @returns keys that the caller clears
   * @throws BACKUP_FILE_NOT_EXIST (9011) when there is none, BACKUP_INVALID_PASSWORD (9047), BACKUP_DATA_CORRUPT (9010),
   *         INVALID_BACKUP_DEST (9026), BACKUP_PERMISSION_DENIED (9071)
   */
  readKeys(place: KeyFilePlace): Promise<ExportedKey[]>;
}
