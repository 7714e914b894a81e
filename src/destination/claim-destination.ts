// Claiming a destination: the first use writes `format.obbak`, which says whose it is; every later use must match it.
import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sameBytes } from '../base/bytes.ts';
import { fail, isFailure } from '../base/errors.ts';
import { makeDirectory } from '../base/make-directory.ts';
import { decodeFormatFile, encodeFormatFile, FORMAT_FILE_BYTES_MAX, type FormatFile } from '../format/format-file.ts';
import { checkFileName, FORMAT_FILE_NAME } from '../format/layout.ts';
import { formatDestinationUri } from '../model/destination-uri.ts';
import type { Destination } from './destination.ts';
import { syncDirectory } from './file-destination.ts';
import { codeOf, destinationFailure } from './file-errors.ts';
import { locksObjects } from './locks.ts';

const DIRECTORY_MODE = 0o700;
/** Of an object that proves that a place can be written and read. */
const CHECK_BYTES = 32;
/** What a file system itself puts into an empty directory that is its root. */
const NOT_CONTENT = new Set(['lost+found', '.snapshot', '.snapshots']);
/** Facts that make two owners the same. Names may change; creation time and destination id differ between claims. */
const OWNER_FACTS = ['clusterUuid', 'tenantId', 'destKind'] as const;
type Owner = Pick<FormatFile, (typeof OWNER_FACTS)[number]>;

/**
 * Takes a destination for an owner, or finds that it is the owner's already. Proves that it can be written and read.
 * Safe to repeat.
 * @returns the format file that is there now: its `destId` is that of the first claim
 * @throws BACKUP_FORMAT_FILE_NOT_EXIST (9080) for a directory with other content, BACKUP_FORMAT_FILE_NOT_MATCH (9081)
 *         for another owner, BACKUP_DEST_NOT_CONNECT (9070), BACKUP_PERMISSION_DENIED (9071),
 *         BACKUP_DEVICE_OUT_OF_SPACE (9082)
 */
export async function claimDestination(destination: Destination, owner: FormatFile): Promise<FormatFile> {
  await makeRoot(destination);
  const there = await readFormatFile(destination);
  if (there) {
    checkOwner(destination, there, owner);
    await proveAccess(destination, owner);
    await destination.sweep?.();
    return there;
  }
  if (!(await isEmpty(destination)))
    throw fail('BACKUP_FORMAT_FILE_NOT_EXIST', { uri: formatDestinationUri(destination.uri) });
  await proveAccess(destination, owner);
  try {
    await destination.put(FORMAT_FILE_NAME, encodeFormatFile(owner));
  } catch (error) {
    if (!isFailure(error, 'ENTRY_EXISTS')) throw error;
    // Somebody else claimed it in this very moment.
    return claimDestination(destination, owner);
  }
  await destination.put(checkFileName(owner.tenantId, owner.createdNs), encodeFormatFile(owner));
  if (!(await readFormatFile(destination))) throw notGivenBack(destination);
  return owner;
}

/** What a claim has found, as it is kept beside the path. */
export function claimedFacts({ destKind, tenantId, createdNs }: FormatFile, nowNs: bigint) {
  return { destType: destKind, checkFileName: checkFileName(tenantId, createdNs), lastCheckNs: nowNs };
}

/**
 * Reads whose a destination is.
 * @returns undefined when it has no format file
 * @throws BACKUP_FORMAT_FILE_NOT_MATCH (9081) when the file is damaged
 */
export async function readFormatFile(destination: Destination): Promise<FormatFile | undefined> {
  const because = 'the format file is damaged';
  try {
    // Whoever can write there could make it any size: one that can be no format file is not read.
    const sizeBytes = await destination.size(FORMAT_FILE_NAME);
    if (sizeBytes === undefined) return undefined;
    if (sizeBytes > FORMAT_FILE_BYTES_MAX)
      throw fail('BACKUP_DATA_CORRUPT', { object: FORMAT_FILE_NAME, because: `it has ${sizeBytes} bytes` });
    return decodeFormatFile(await destination.get(FORMAT_FILE_NAME), FORMAT_FILE_NAME);
  } catch (error) {
    if (isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return undefined;
    if (!isFailure(error, 'BACKUP_DATA_CORRUPT')) throw error;
    throw fail(
      'BACKUP_FORMAT_FILE_NOT_MATCH',
      { uri: formatDestinationUri(destination.uri), because },
      { cause: error },
    );
  }
}

/**
 * Another directory may be mounted there by now: nothing of others is ever changed.
 * @throws BACKUP_FORMAT_FILE_NOT_EXIST (9080), BACKUP_FORMAT_FILE_NOT_MATCH (9081)
 */
export async function proveOwner(destination: Destination, owner: Owner): Promise<void> {
  const there = await readFormatFile(destination);
  if (!there) throw fail('BACKUP_FORMAT_FILE_NOT_EXIST', { uri: formatDestinationUri(destination.uri) });
  checkOwner(destination, there, owner);
}

/**
 * Proves that a claimed destination can be read, written and cleaned, as with a key that is to replace another one.
 * @throws BACKUP_FORMAT_FILE_NOT_EXIST (9080), BACKUP_DEST_NOT_CONNECT (9070), BACKUP_PERMISSION_DENIED (9071)
 */
export async function proveUse(destination: Destination): Promise<void> {
  const there = await readFormatFile(destination);
  if (!there) throw fail('BACKUP_FORMAT_FILE_NOT_EXIST', { uri: formatDestinationUri(destination.uri) });
  await proveAccess(destination, there);
}

function checkOwner(destination: Destination, there: FormatFile, owner: Owner): void {
  const different = OWNER_FACTS.find((fact) => there[fact] !== owner[fact]);
  if (different === undefined) return;
  const because = {
    clusterUuid: `it belongs to the cluster '${there.clusterName}' (id ${there.clusterId}, ${there.clusterUuid})`,
    tenantId: `it belongs to the tenant '${there.tenantName}' (id ${there.tenantId})`,
    destKind: `it is a destination of kind ${there.destKind}, not ${owner.destKind}`,
  }[different];
  throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', { uri: formatDestinationUri(destination.uri), because });
}

/**
 * Writes, reads back and removes a small object. Where that would stay, the format file is what was written and read.
 * @throws INVALID_ARGUMENT (4002) when the bucket locks it and nobody said so
 */
async function proveAccess(destination: Destination, { tenantId }: Owner): Promise<void> {
  if (locksObjects(destination) || destination.can.tagsRemoved) return;
  const name = `check_file/${tenantId}_access_${randomBytes(8).toString('hex')}.obbak`;
  const bytes = randomBytes(CHECK_BYTES);
  await destination.put(name, bytes);
  const read = await destination.get(name);
  if ((await destination.lockedUntilNs?.(name)) !== undefined) throw wormFailure();
  await destination.remove(name).catch((error: unknown) => {
    throw isFailure(error, 'OBJECT_LOCKED_BY_WORM') ? wormFailure(error) : error;
  });
  if (!sameBytes(read, bytes)) throw notGivenBack(destination);
}

function notGivenBack({ uri }: Destination): Error {
  const because = 'it does not give back what was written';
  return fail('BACKUP_DEST_NOT_CONNECT', { uri: formatDestinationUri(uri), because });
}

/** @source OceanBase 4.3.5, set backup dest */
function wormFailure(cause?: unknown): Error {
  const what = 'set backup dest: parameter enable_worm=true is required for bucket with worm';
  return fail('INVALID_ARGUMENT', { what }, { cause });
}

/** A directory of our own may not exist yet. */
async function makeRoot(destination: Destination): Promise<void> {
  const { spec } = destination;
  if (spec.kind !== 'file') return;
  try {
    await stat(spec.path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw mapped(destination, error, 'look at it');
    try {
      for (const made of await makeDirectory(spec.path, DIRECTORY_MODE)) await syncDirectory(dirname(made));
    } catch (cause) {
      throw mapped(destination, cause, 'create it');
    }
  }
}

async function isEmpty(destination: Destination): Promise<boolean> {
  const { spec } = destination;
  // Files of others are no objects and in no list, but make a directory not empty all the same. Only what an
  // interrupted claim of ours may have left is none.
  if (spec.kind === 'file') {
    try {
      const names = await readdir(spec.path);
      if (names.some((name) => !NOT_CONTENT.has(name) && name !== 'check_file' && !name.startsWith('.tmp-')))
        return false;
    } catch (error) {
      throw mapped(destination, error, 'list it');
    }
  }
  const objects = await destination.list('');
  return objects.every(({ name }) => /^check_file\/\d+_(?:access|connect_file)_\w+\.obbak$/.test(name));
}

function mapped(destination: Destination, error: unknown, what: string): unknown {
  return destinationFailure(error, formatDestinationUri(destination.uri), what);
}
