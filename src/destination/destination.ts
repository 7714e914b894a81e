// Object stores that archives and sets lie on. Objects are written once, under their final name only when complete.
import type { DestinationLimits } from '../model/destination-options.ts';
import type { DestinationUri, ObjectStoreUri } from '../model/destination-uri.ts';

export interface DestinationCan {
  /** Objects may grow at their end: a segment then holds many batches. */
  append: boolean;
  /**
   * Removing labels objects for a rule of their bucket: they stay, and in lists, until that takes them. Who deletes says so
   * with an object of its own.
   */
  tagsRemoved?: boolean | undefined;
}

export interface ObjectInfo {
  /** Path below the destination's root, with `/`. */
  name: string;
  sizeBytes: number;
}

/** How another process opens the same destination. */
export type DestinationSpec =
  | { kind: 'file'; path: string; limits?: DestinationLimits | undefined }
  | { kind: 'memory'; id: string; retainMs?: number | undefined }
  | {
      kind: 'objectStore';
      uri: ObjectStoreUri;
      limits?: DestinationLimits | undefined;
      /** How long objects are locked when they are written; `enable_worm`. */
      retainMs?: number | undefined;
    }
  | { kind: 'joined'; parts: DestinationSpec[] };

/**
 * Opens a destination without touching it.
 * @param tenantId whose access keys it is opened with, when it needs any; the sys tenant's for work of the cluster
 */
export type OpenDestination = (uri: DestinationUri, tenantId: number) => Destination;

/**
 * Names are relative paths of `[A-Za-z0-9._-]` parts joined by `/`.
 * Failures: BACKUP_DEST_NOT_CONNECT (9070), BACKUP_PERMISSION_DENIED (9071), BACKUP_DEVICE_OUT_OF_SPACE (9082),
 * BACKUP_FILE_NOT_EXIST (9011) for an object that is not there.
 */
export interface Destination extends AsyncDisposable {
  readonly uri: DestinationUri;
  readonly can: DestinationCan;
  readonly spec: DestinationSpec;
  /**
   * Durable when it resolves.
   * @throws ENTRY_EXISTS (4017) when the name is taken: nothing is ever overwritten, and what has the name keeps it
   */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** @throws BACKUP_FILE_NOT_EXIST; BACKUP_DATA_CORRUPT when the object is shorter than asked */
  get(name: string, range?: { offset: number; length: number }): Promise<Uint8Array>;
  /**
   * Makes durable what can be read of an object: a writer that was killed may have left bytes that a power cut would take.
   * @throws BACKUP_FILE_NOT_EXIST
   */
  sync(name: string): Promise<void>;
  /** Size in bytes; undefined when there is no such object. */
  size(name: string): Promise<number | undefined>;
  /** Objects below a prefix directory (`''` for all), unordered. Temporary files are not listed. */
  list(prefix: string): Promise<ObjectInfo[]>;
  /** Removing what is not there is fine. @throws OBJECT_LOCKED_BY_WORM (4124) */
  remove(name: string): Promise<void>;
  /**
   * Removes every object below a prefix directory, temporary files too.
   * @param keep objects that stay
   * @throws OBJECT_LOCKED_BY_WORM (4124); what was not locked may have gone
   */
  removeAll(prefix: string, keep?: ReadonlySet<string>): Promise<void>;
  /** When the lock on an object ends, in ns since 1970; undefined when it has none, and where there are none. */
  lockedUntilNs?(name: string): Promise<bigint | undefined>;
  /** Locks an object as long as one that is written now, when it is locked for less. One that is not there: fine. */
  extendLock?(name: string): Promise<void>;
  /** Streams a new object; it appears, durable, under its name when `finish` resolves. */
  create(name: string): Promise<ObjectWriter>;
  /** Opens an object for many reads; it stays readable until closed. @throws BACKUP_FILE_NOT_EXIST */
  openRead(name: string): Promise<ObjectReader>;
  /** Only when `can.append`: opens a new object for appending; it is visible at once. @throws ENTRY_EXISTS */
  openAppend(name: string): Promise<ObjectAppender>;
  /** Removes what writers that died long ago left and no list shows, where there is such. */
  sweep?(): Promise<void>;
}

export interface ObjectWriter {
  /** The memory of the bytes is the caller's again when it resolves. */
  write(bytes: Uint8Array): Promise<void>;
  finish(): Promise<void>;
  /** Leaves nothing behind. Safe after any failure. */
  abort(): Promise<void>;
}

export interface ObjectReader {
  readonly sizeBytes: number;
  /**
   * @param into memory for the result, which may be used; the caller leaves it alone until the read has settled
   * @throws BACKUP_DATA_CORRUPT when the object is shorter than asked
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /** Says what will be read soon, to its end, where asking takes long: a hint, which may be passed over. */
  willRead?(offset: number, length: number): void;
  close(): Promise<void>;
}

export interface ObjectAppender {
  /** Bytes so far. */
  readonly sizeBytes: number;
  /** Durable when it resolves. After a failure the appender is broken: close it and begin another object. */
  append(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}
