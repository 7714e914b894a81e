// What is there in an object store: one object, or all below a directory.

import { fail } from '../base/errors.ts';
import type { ObjectInfo } from './destination.ts';
import { isObjectName } from './object-name.ts';
import type { S3Calls } from './s3-calls.ts';
import { isMissing } from './s3-errors.ts';

/** A listing stands in memory; a hundred years of daily pieces are a tenth of it. */
const LIST_OBJECTS_MAX = 2_000_000;
/** Most that stores give at once. */
export const PAGE_ENTRIES = 1000;
/** Metadata of an object: which put wrote it. So a put that succeeded and was told it had failed knows its own. */
export const PUT_ID = 'holdfast-put';
export const LIST_RIGHT = 's3:ListBucket';

export interface Stat {
  sizeBytes: number;
  putId: string | undefined;
  /** Until when nobody may delete it; ms since 1970. */
  lockedUntilMs: number | undefined;
}

/** @returns undefined when there is no such object */
export async function statObject(calls: S3Calls, name: string, versionId?: string): Promise<Stat | undefined> {
  const input = { ...calls.bucket, Key: calls.key(name), ...(versionId === undefined ? {} : { VersionId: versionId }) };
  try {
    const head = await calls.call((s3, options) => s3.headObject(input, options), {
      ...{ what: `look at ${name}`, right: `s3:GetObject and ${LIST_RIGHT}`, expected: isMissing },
    });
    const { ContentLength: sizeBytes = 0, Metadata, ObjectLockRetainUntilDate, ObjectLockLegalHoldStatus } = head;
    const isHeld = ObjectLockLegalHoldStatus === 'ON';
    const lockedUntilMs = isHeld ? Number.POSITIVE_INFINITY : ObjectLockRetainUntilDate?.getTime();
    return { sizeBytes, putId: Metadata?.[PUT_ID], lockedUntilMs };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Locks an object until a moment, which is later than the end of the lock that it has. */
export async function lockObject(calls: S3Calls, name: string, until: Date, versionId?: string): Promise<void> {
  const Retention = { Mode: 'COMPLIANCE' as const, RetainUntilDate: until };
  const version = versionId === undefined ? {} : { VersionId: versionId };
  const input = { ...calls.bucket, Key: calls.key(name), ...version, Retention };
  const options = { what: `lock ${name}`, right: 's3:PutObjectRetention' };
  await calls.call((s3, how) => s3.putObjectRetention(input, how), options);
}

/** @throws BACKUP_DEST_NOT_CONNECT (9070) when there is no bucket: to a HEAD that looks like an object that is missing */
export async function checkBucket(calls: S3Calls): Promise<void> {
  const input = { ...calls.bucket, Prefix: calls.key(''), MaxKeys: 1 };
  await calls.call((s3, options) => s3.listObjectsV2(input, options), { what: 'list it', right: LIST_RIGHT });
}

/** @param directory without a slash, `''` for everything */
export async function listObjects(calls: S3Calls, directory: string): Promise<ObjectInfo[]> {
  const root = calls.key('');
  const input = {
    ...calls.bucket,
    Prefix: directory === '' ? root : calls.key(`${directory}/`),
    MaxKeys: PAGE_ENTRIES,
  };
  const objects: ObjectInfo[] = [];
  for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; isFirst = false) {
    const from = token === undefined ? {} : { ContinuationToken: token };
    const page = await calls.call((s3, options) => s3.listObjectsV2({ ...input, ...from }, options), {
      ...{ what: `list ${directory || 'everything'}`, right: LIST_RIGHT },
    });
    for (const { Key, Size } of page.Contents ?? []) {
      const name = Key?.slice(root.length) ?? '';
      // What is not ours by its name is nobody's object: the marker of a folder, a log of the store.
      if (isObjectName(name)) objects.push({ name, sizeBytes: Size ?? 0 });
    }
    if (objects.length > LIST_OBJECTS_MAX)
      throw fail('BACKUP_DEST_NOT_CONNECT', { uri: calls.shown, because: `more than ${LIST_OBJECTS_MAX} objects` });
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
  }
  return objects;
}

export interface Version {
  name: string;
  versionId: string;
  /** It says that the object is deleted. */
  isMarker: boolean;
  writtenMs: number;
}

/** Where the next page begins. */
interface VersionMarker {
  KeyMarker?: string;
  VersionIdMarker?: string;
}

/**
 * Versions of an object, newest first; then its deletions, likewise.
 * @param name of an object; or a directory that ends in a slash, `''` for everything: then of each object in it
 */
export async function listVersions(calls: S3Calls, name: string): Promise<Version[]> {
  const isDirectory = name === '' || name.endsWith('/');
  const root = calls.key('');
  const input = { ...calls.bucket, Prefix: calls.key(name), MaxKeys: PAGE_ENTRIES };
  const versions: Version[] = [];
  for (let from: VersionMarker | undefined = {}; from; ) {
    const marker: VersionMarker = from;
    const page = await calls.call((s3, options) => s3.listObjectVersions({ ...input, ...marker }, options), {
      ...{ what: `list the versions of ${name || 'everything'}`, right: 's3:ListBucketVersions' },
    });
    const found = [
      ...(page.Versions ?? []).map((version) => ({ ...version, isMarker: false })),
      ...(page.DeleteMarkers ?? []).map((version) => ({ ...version, isMarker: true })),
    ];
    let isPast = false;
    for (const { Key = '', VersionId, isMarker, LastModified } of found) {
      const object = Key.slice(root.length);
      // Keys come in order: the object before those whose names only begin like its own.
      if (!isDirectory && object !== name) isPast = true;
      else if (VersionId !== undefined && isObjectName(object))
        versions.push({ name: object, versionId: VersionId, isMarker, writtenMs: LastModified?.getTime() ?? 0 });
    }
    if (versions.length > LIST_OBJECTS_MAX)
      throw fail('BACKUP_DEST_NOT_CONNECT', { uri: calls.shown, because: `more than ${LIST_OBJECTS_MAX} versions` });
    const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page;
    from =
      page.IsTruncated && KeyMarker !== undefined && !isPast
        ? { KeyMarker, ...(VersionIdMarker === undefined ? {} : { VersionIdMarker }) }
        : undefined;
  }
  return versions;
}
