// The leases that lie at a destination: the newest one says who writes there.
import { fail, isFailure } from '../base/errors.ts';
import { LEASES_DIRECTORY, leaseName, parseObjectName } from '../format/layout.ts';
import { decodeLeaseFile, encodeLeaseFile, LEASE_FILE_BYTES_MAX, type LeaseFile } from '../format/lease-file.ts';
import type { Destination } from './destination.ts';

/** The newest lease; `file` is null when it is damaged: then nobody knows who holds it. */
export interface FoundLease {
  generation: number;
  file: LeaseFile | null;
}

/** @returns undefined when nobody ever held a lease there */
export async function findNewestLease(destination: Destination): Promise<FoundLease | undefined> {
  let generation = 0;
  for (const { name } of await destination.list(LEASES_DIRECTORY)) {
    const parsed = parseObjectName(name);
    if (parsed?.kind === 'lease' && parsed.generation > generation) generation = parsed.generation;
  }
  if (generation === 0) return undefined;
  return { generation, file: await readLease(destination, generation) };
}

async function readLease(destination: Destination, generation: number): Promise<LeaseFile | null> {
  const name = leaseName(generation);
  try {
    const file = await readLeaseFile(destination, name);
    return file.generation === generation ? file : null;
  } catch (error) {
    if (isFailure(error, 'BACKUP_DATA_CORRUPT')) return null;
    throw error;
  }
}

/** @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010) */
export async function readLeaseFile(destination: Destination, name: string): Promise<LeaseFile> {
  const sizeBytes = await destination.size(name);
  if (sizeBytes === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file: name });
  if (sizeBytes > LEASE_FILE_BYTES_MAX)
    throw fail('BACKUP_DATA_CORRUPT', { object: name, because: `it has ${sizeBytes} bytes` });
  return decodeLeaseFile(await destination.get(name), name);
}

/** Whether a lease of a generation is there. */
export async function hasLease(destination: Destination, generation: number): Promise<boolean> {
  return (await destination.size(leaseName(generation))) !== undefined;
}

/** @throws ENTRY_EXISTS (4017) when somebody else was faster, or an earlier call of ours succeeded unheard */
export async function putLease(destination: Destination, file: LeaseFile): Promise<void> {
  await destination.put(leaseName(file.generation), encodeLeaseFile(file));
}
