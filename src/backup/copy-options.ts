// How the pages of a set become packs: what the tenant's parameters, the machine and the destination say.
import type { Destination } from '../destination/destination.ts';
import { packNoBefore, type SetRef, setDirectory } from '../format/layout.ts';
import { parseCapacityBytes } from '../model/parameter.ts';
import type { Tenant } from '../model/tenant.ts';
import type { Store } from '../store/store.ts';
import type { CopyOptions } from './attempt.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import { type Leftover, recordPack, type SetKey } from './finished-packs.ts';
import { progressRecorder } from './record-progress.ts';

type Machine = Pick<BackupDependencies, 'store' | 'clock' | 'log' | 'cores' | 'engineTenant'>;

/** Worker processes that a backup of a tenant may have. */
export function workersFor({ store, cores, engineTenant }: Machine, tenant: Tenant): number {
  const asked = Number(store.parameter(tenant.tenantId, 'ha_low_thread_score'));
  // A tenant without a pool has no MAX_CPU: the machine is the bound.
  const bound = tenant.poolName === null ? cores : engineTenant(tenant).maxCpu;
  return Math.max(1, Math.min(asked || cores, bound));
}

/** An increment is short: it begins again. */
function resumable(
  store: Store,
  of: { set: SetKey; setUuid: string; leftover: Leftover | null },
): Pick<CopyOptions, 'known' | 'onPack'> {
  const { set, setUuid, leftover } = of;
  return {
    ...(leftover ? { known: leftover } : {}),
    onPack: (pack, blocks) => recordPack(store, { set, setUuid, pack, blocks }),
  };
}

/** @param of.setUuid of the set as its blocks will name it */
export function copyOptions(
  machine: Machine,
  of: {
    tenant: Tenant;
    taskId: number;
    destination: Destination;
    ref: SetRef;
    setUuid: string;
    leftover: Leftover | null;
    attempt: number;
    signal: AbortSignal;
  },
): CopyOptions {
  const { store } = machine;
  const { tenant, ref, setUuid, leftover, signal } = of;
  const { tenantId } = tenant;
  const set = { tenantId, backupSetId: ref.backupSetId };
  return {
    destination: of.destination.spec,
    directory: setDirectory(ref),
    packNoBefore: packNoBefore(of.attempt),
    compressionLevel: Number(store.parameter(tenantId, 'backup_compression_level')),
    packBytesMax: Number(parseCapacityBytes(store.parameter(tenantId, 'backup_data_file_size'))),
    workers: workersFor(machine, tenant),
    ...(ref.type === 'FULL' ? resumable(store, { set, setUuid, leftover }) : {}),
    onProgress: progressRecorder(machine, { task: { tenantId, taskId: of.taskId }, set, signal }),
    signal,
  };
}
