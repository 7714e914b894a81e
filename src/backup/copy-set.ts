// Copies one backup set to another destination, object by object as it lies: no key is needed. Its manifest comes last, so
// that a copy which was broken off does not exist; what was copied before is used again once it was read and is right.
import { sameBytes } from '../base/bytes.ts';
import { fail, isFailure } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { readManifest } from '../destination/backup-set-reader.ts';
import { checkObjects } from '../destination/check-objects.ts';
import type { Destination, ObjectReader } from '../destination/destination.ts';
import { readFirst } from '../destination/fall-over.ts';
import type { BackupSetManifest } from '../format/backup-set-manifest.ts';
import { manifestName, type SetRef, setDirectory, setStartName } from '../format/layout.ts';
import { Xxh3 } from '../format/xxh3.ts';
import { putNew, putPlaceholders } from './write-set.ts';

/** Read, hashed and written at once: what other work of the process waits for at most. */
const STEP_BYTES = 1 * MIB;

export interface SetToCopy {
  /** Where the set lies, the first to be read first. */
  sources: readonly Destination[];
  target: Destination;
  ref: SetRef;
  owner: { clusterUuid: string; tenantId: number };
  /** Told once the manifest was read. */
  onTotal(bytes: bigint): void;
  /** Told of bytes that lie at the target, as they come. */
  onBytes(bytes: number): void;
  signal: AbortSignal;
  /** That nobody else writes at the target by now. @throws DESTINATION_HELD (4038) */
  prove(): Promise<void>;
}

type Listed = BackupSetManifest['objects'][number];

/**
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) when no source has an object sound; ENTRY_EXISTS (4017)
 *         when another set has the directory; the destinations' errors
 */
export async function copySet(of: SetToCopy): Promise<void> {
  const { sources, target, ref, owner, signal } = of;
  const { manifest, bytes } = await readFirst(sources, (source) => readManifest(source, ref, owner));
  of.onTotal(manifest.objects.reduce((sum, { size }) => sum + BigInt(size), BigInt(bytes.length)));
  const directory = setDirectory(ref);
  if (!(await hasManifest(of, bytes))) {
    await putNew(target, setStartName(ref), new Uint8Array(0));
    const present = new Map((await target.list(directory)).map(({ name, sizeBytes }) => [name, sizeBytes]));
    for (const listed of manifest.objects) {
      signal.throwIfAborted();
      await copyObject(of, listed, present.get(`${directory}/${listed.name}`));
    }
    await checkObjects(target, directory, manifest.objects);
    signal.throwIfAborted();
    await of.prove();
    await target.put(manifestName(ref), bytes);
  }
  await of.prove();
  of.onBytes(bytes.length);
  await putPlaceholders(target, ref, manifest.set);
}

/** Whether the copy was completed before; its bytes are told. @throws ENTRY_EXISTS (4017) for another set's manifest */
async function hasManifest({ target, ref, onBytes }: SetToCopy, expected: Uint8Array): Promise<boolean> {
  const name = manifestName(ref);
  if ((await target.size(name)) === undefined) return false;
  if (!sameBytes(await target.get(name), expected))
    throw fail('ENTRY_EXISTS', { what: `${setDirectory(ref)} with another backup set` });
  for (const { sizeBytes } of await target.list(setDirectory(ref))) onBytes(sizeBytes);
  onBytes(-expected.length);
  return true;
}

/** @param presentBytes size of what has the name at the target; undefined for nothing */
async function copyObject(of: SetToCopy, listed: Listed, presentBytes: number | undefined): Promise<void> {
  const { sources, target, ref } = of;
  const object = `${setDirectory(ref)}/${listed.name}`;
  if (presentBytes !== undefined) {
    if (presentBytes === listed.size && (await isSound(of, object, listed))) return void of.onBytes(listed.size);
    await of.prove();
    // What an earlier try left, or what was damaged since: nothing reads it, because the manifest is not there.
    await target.remove(object);
  }
  await readFirst(sources, async (source) => {
    try {
      await copyFrom(source, of, { object, listed });
    } catch (error) {
      // A write that was reported as failed may have happened.
      if (!isFailure(error, 'ENTRY_EXISTS') || !(await isSound(of, object, listed))) throw error;
      of.onBytes(listed.size);
    }
  });
}

async function isSound({ target, signal }: SetToCopy, object: string, { size, checksum }: Listed): Promise<boolean> {
  const reader = await target.openRead(object);
  try {
    if (reader.sizeBytes !== size) return false;
    const hash = new Xxh3();
    for await (const step of stepsOf(reader, signal)) hash.update(step);
    return sameBytes(hash.digest(), checksum);
  } finally {
    await reader.close();
  }
}

async function* stepsOf(reader: ObjectReader, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < reader.sizeBytes; at += STEP_BYTES) {
    signal.throwIfAborted();
    yield await reader.read(at, Math.min(STEP_BYTES, reader.sizeBytes - at));
  }
}

async function copyFrom(
  source: Destination,
  { target, signal, onBytes }: SetToCopy,
  { object, listed }: { object: string; listed: Listed },
): Promise<void> {
  const damaged = (because: string) => fail('BACKUP_DATA_CORRUPT', { object, because });
  const reader = await source.openRead(object);
  let written = 0;
  try {
    if (reader.sizeBytes !== listed.size) throw damaged(`it has ${reader.sizeBytes} bytes instead of ${listed.size}`);
    const writer = await target.create(object);
    try {
      const hash = new Xxh3();
      for await (const step of stepsOf(reader, signal)) {
        hash.update(step);
        await writer.write(step);
        written += step.length;
        onBytes(step.length);
      }
      if (!sameBytes(hash.digest(), listed.checksum)) throw damaged('its checksum is not the one in the manifest');
      await writer.finish();
    } catch (error) {
      onBytes(-written);
      await writer.abort();
      throw error;
    }
  } finally {
    await reader.close();
  }
}
