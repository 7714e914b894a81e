// Where a tenant's backup sets go and lie: DATA_BACKUP_DEST and its copies.
import type { BackupSet } from '../model/backup-job.ts';
import { byWriting, type DataPlace, isOpenCopy, newCopy, type SetCopy } from '../model/set-copy.ts';
import type { Store } from './store.ts';

type Places = Pick<Store, 'dataDests' | 'dataDestCopies' | 'setCopies'>;

/** The destinations of a tenant's sets, in the order in which a backup asks which answers. */
export function dataPlaces({ dataDests, dataDestCopies }: Places, tenantId: number): DataPlace[] {
  const first = dataDests.get({ tenantId });
  const copies = dataDestCopies.find({ tenantId });
  const leading: DataPlace[] = first ? [{ ...first, destNo: 0, binding: 'MANDATORY' }] : [];
  return [...leading, ...copies].sort(byWriting);
}

/** Where a whole set lies: its own row's path first. */
export function urisOfSet({ setCopies }: Places, { tenantId, backupSetId, uri }: BackupSet): string[] {
  const copies = setCopies.find({ tenantId, backupSetId, status: 'AVAILABLE' });
  return [uri, ...copies.map((copy) => copy.uri)];
}

/** The tenant's sets as they lie at a path: own ones, and copies that are whole there. */
export function setsAt(store: Places & Pick<Store, 'backupSets'>, tenantId: number, uri: string): BackupSet[] {
  const own = store.backupSets.find({ tenantId, uri });
  const copied = store.setCopies.find({ tenantId, uri }).flatMap((copy): BackupSet[] => {
    const fileStatus = copy.status === 'AVAILABLE' || copy.status === 'BROKEN' ? copy.status : undefined;
    const set = fileStatus && store.backupSets.get({ tenantId, backupSetId: copy.backupSetId });
    return set && set.status === 'SUCCESS' ? [{ ...set, uri, destId: copy.destId, fileStatus }] : [];
  });
  return [...own, ...copied].sort((a, b) => a.backupSetId - b.backupSetId);
}

/** To the caller's transaction: copies of a whole set that are still to be made. */
export function planCopies(store: Places, set: BackupSet): SetCopy[] {
  const { tenantId, backupSetId, uri } = set;
  const planned: SetCopy[] = [];
  for (const place of dataPlaces(store, tenantId)) {
    if (place.uri === uri || store.setCopies.get({ tenantId, backupSetId, destId: place.destId })) continue;
    const copy = newCopy(set, place);
    store.setCopies.insert(copy);
    planned.push(copy);
  }
  return planned;
}

/** To the caller's transaction: what was planned for a path that is no destination any more is not done. */
export function forgetUnplaced(store: Places, tenantId: number): void {
  const uris = new Set(dataPlaces(store, tenantId).map(({ uri }) => uri));
  for (const { status, uri, backupSetId, destId } of store.setCopies.find({ tenantId }))
    if (isOpenCopy(status) && status !== 'DELETING' && !uris.has(uri))
      store.setCopies.remove({ tenantId, backupSetId, destId });
}

/** To the caller's transaction: with a set its copies go; whoever copies removes their objects. */
export function deleteCopies(
  { setCopies }: Places,
  { tenantId, backupSetId }: Pick<BackupSet, 'tenantId' | 'backupSetId'>,
): void {
  for (const { destId, status } of setCopies.find({ tenantId, backupSetId })) {
    if (status === 'DELETED' || status === 'DELETING') continue;
    setCopies.change({ tenantId, backupSetId, destId }, { status: 'DELETING' }, { status });
  }
}
