// Taking objects out of an object store: deleting them, all their versions where they are locked, or marking them for a
// rule of the bucket; and ending uploads that nobody goes on with.
import type { ListMultipartUploadsCommandInput, ListMultipartUploadsCommandOutput } from '@aws-sdk/client-s3';
import { fail, isFailure } from '../base/errors.ts';
import { isObjectName } from './object-name.ts';
import type { S3Calls } from './s3-calls.ts';
import { isDenied, isMissing, isNotImplemented, s3Failure } from './s3-errors.ts';
import { listObjects, listVersions, PAGE_ENTRIES, statObject, type Version } from './s3-objects.ts';

/** Deletions at once: a store takes some thousands a second, and so does a fleet. */
const REMOVALS_AT_ONCE = 8;
/** Pages of uploads that one sweep looks at: it goes on the next time. */
const SWEEP_PAGES_MAX = 10;
/** Nobody works that long at one object. */
const UPLOAD_AGE_MS_MAX = 24 * 3_600_000;
const DELETE_RIGHT = 's3:DeleteObject';
const UPLOADS_RIGHT = 's3:ListBucketMultipartUploads and s3:AbortMultipartUpload';

export type RemoveMode = 'delete' | 'deleteVersions' | 'tag';

interface Upload {
  name: string;
  uploadId: string;
  beganMs: number;
}

/** Where the next page begins. */
interface UploadMarker {
  KeyMarker?: string;
  UploadIdMarker?: string;
}

/** Runs all, some at once. @throws the first failure, when all have been tried */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const lane = async () => {
    for (const item of rest) await work(item).catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: Math.min(REMOVALS_AT_ONCE, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
}

/**
 * Removes an object. Nothing is there: fine.
 * @throws OBJECT_LOCKED_BY_WORM while nobody may delete it
 */
export async function removeObject(calls: S3Calls, name: string, mode: RemoveMode): Promise<void> {
  if (mode === 'tag') return tagObject(calls, name);
  if (mode === 'delete') return deleteObject(calls, name);
  await deleteVersions(calls, await listVersions(calls, name));
}

/** Removes what lies below a directory, `''` for everything, but for what is kept. */
export async function removeObjects(
  calls: S3Calls,
  of: { directory: string; keep: ReadonlySet<string>; mode: RemoveMode },
): Promise<void> {
  const { directory, keep, mode } = of;
  const prefix = directory === '' ? '' : `${directory}/`;
  await each(await listUploads(calls, prefix, Number.POSITIVE_INFINITY), (upload) => abortUpload(calls, upload));
  if (mode === 'deleteVersions') {
    const versions = (await listVersions(calls, prefix)).filter(({ name }) => !keep.has(name));
    return deleteVersions(calls, versions);
  }
  const names = (await listObjects(calls, directory)).map(({ name }) => name).filter((name) => !keep.has(name));
  await each(names, (name) => removeObject(calls, name, mode));
}

/** Ends uploads that began more than a day ago: their writers are dead, and their parts cost money. */
export async function sweepUploads(calls: S3Calls, nowMs: number): Promise<void> {
  const old = (await listUploads(calls, '', SWEEP_PAGES_MAX)).filter(
    ({ beganMs }) => nowMs - beganMs > UPLOAD_AGE_MS_MAX,
  );
  await each(old, (upload) => abortUpload(calls, upload));
}

/** Ends an upload: its parts go. One that is no more: fine. */
export async function abortUpload(
  calls: S3Calls,
  { name, uploadId }: Pick<Upload, 'name' | 'uploadId'>,
): Promise<void> {
  const input = { ...calls.bucket, Key: calls.key(name), UploadId: uploadId };
  const options = { what: `end an upload of ${name}`, right: 's3:AbortMultipartUpload', expected: isMissing };
  await allowMissing(calls.call((s3, how) => s3.abortMultipartUpload(input, how), options));
}

async function allowMissing(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function tagObject(calls: S3Calls, name: string): Promise<void> {
  const Tagging = { TagSet: [{ Key: 'delete_mode', Value: 'tagging' }] };
  const input = { ...calls.bucket, Key: calls.key(name), Tagging };
  const options = { what: `tag ${name}`, right: 's3:PutObjectTagging', expected: isMissing };
  await allowMissing(calls.call((s3, how) => s3.putObjectTagging(input, how), options));
}

async function deleteObject(calls: S3Calls, name: string, versionId?: string): Promise<void> {
  const version = versionId === undefined ? {} : { VersionId: versionId };
  const input = { ...calls.bucket, Key: calls.key(name), ...version };
  const right = versionId === undefined ? DELETE_RIGHT : 's3:DeleteObjectVersion';
  const expected = (error: unknown) => isMissing(error) || isDenied(error);
  const what = `remove ${name}`;
  try {
    await allowMissing(calls.call((s3, how) => s3.deleteObject(input, how), { what, right, expected }));
  } catch (error) {
    if (!isDenied(error)) throw error;
    await refuseLocked(calls, name, versionId);
    throw s3Failure(error, { uri: calls.shown, what, right });
  }
}

/** A store says of an object that is locked and of a right that is missing the same. */
async function refuseLocked(calls: S3Calls, name: string, versionId: string | undefined): Promise<void> {
  let untilMs: number | undefined;
  try {
    untilMs = (await statObject(calls, name, versionId))?.lockedUntilMs;
  } catch (error) {
    if (!isFailure(error, 'BACKUP_PERMISSION_DENIED')) throw error;
  }
  if (untilMs === undefined) return;
  const until = Number.isFinite(untilMs) ? new Date(untilMs).toISOString() : 'a legal hold on it is lifted';
  throw fail('OBJECT_LOCKED_BY_WORM', { object: calls.showObject(name), until });
}

async function deleteVersions(calls: S3Calls, versions: readonly Version[]): Promise<void> {
  const remove = ({ name, versionId }: Version) => deleteObject(calls, name, versionId);
  // Data first: when it may not go, what says that it is deleted stays as well.
  await each(
    versions.filter(({ isMarker }) => !isMarker),
    remove,
  );
  await each(
    versions.filter(({ isMarker }) => isMarker),
    remove,
  );
}

async function listUploads(calls: S3Calls, prefix: string, pagesMax: number): Promise<Upload[]> {
  const root = calls.key('');
  const input = { ...calls.bucket, Prefix: calls.key(prefix), MaxUploads: PAGE_ENTRIES };
  const uploads: Upload[] = [];
  let from: UploadMarker | undefined = {};
  for (let page = 0; from && page < pagesMax; page++) {
    const marker: UploadMarker = from;
    const found = await uploadPage(calls, { ...input, ...marker });
    for (const { Key = '', UploadId, Initiated } of found.Uploads ?? []) {
      const name = Key.slice(root.length);
      if (UploadId !== undefined && isObjectName(name))
        uploads.push({ name, uploadId: UploadId, beganMs: Initiated?.getTime() ?? Number.POSITIVE_INFINITY });
    }
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = found;
    from =
      found.IsTruncated && KeyMarker !== undefined
        ? { KeyMarker, ...(UploadIdMarker === undefined ? {} : { UploadIdMarker }) }
        : undefined;
  }
  return uploads;
}

async function uploadPage(
  calls: S3Calls,
  input: ListMultipartUploadsCommandInput,
): Promise<Partial<ListMultipartUploadsCommandOutput>> {
  const options = { what: 'list unfinished uploads', right: UPLOADS_RIGHT, expected: isNotImplemented };
  try {
    return await calls.call((s3, how) => s3.listMultipartUploads(input, how), options);
  } catch (error) {
    // A store that does not list them has to end them by itself.
    if (isNotImplemented(error)) return {};
    throw error;
  }
}
