// Goal: a statement for many tenants ends in time and opens few destinations, however long these take to answer.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryDestination } from '../destination/memory-destination.ts';
import { FakeDriver } from '../engine/fake/fake-driver.ts';
import type { BackupJob } from '../model/backup-job.ts';
import { openStore } from '../store/store.ts';
import { newSet } from './backup-records.ts';
import { findParents } from './find-parents.ts';

const TENANTS = 100;
const WAIT_MS = 50;
const OPEN_MAX = 8;

test('tenants whose destinations do not answer are backed up in full, and most are not even asked', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'find-parents-'));
  using store = openStore(directory, { clusterName: 'c1', clusterId: 1, timeZone: '+00:00' });
  const tenantIds = Array.from({ length: TENANTS }, (_, i) => 1002 + 2 * i);
  for (const tenantId of tenantIds) {
    const uri = `file:///t${tenantId}`;
    store.dataDests.insert({ tenantId, destId: 1, uri });
    const job = { tenantId, backupSetId: 1, backupType: 'FULL', isPlusArchivelog: false, uri } as BackupJob;
    const set = newSet({ ...job, encryptionMode: 'NONE' }, { destId: 1, roundId: 1, nowNs: 1n });
    store.backupSets.insert({ ...set, status: 'SUCCESS', fileStatus: 'AVAILABLE' });
  }
  let opened = 0;
  const openDestination = () => {
    opened++;
    const silent = new MemoryDestination(`${directory}/silent`);
    silent.size = () => new Promise(() => {});
    return silent;
  };
  const driver = new FakeDriver();
  const answers = await findParents({ store, driver, openDestination }, tenantIds, null, WAIT_MS);
  expect(answers.size).toBe(TENANTS);
  for (const answer of answers.values()) expect(answer.because).toContain('could not be read');
  expect(opened).toBe(OPEN_MAX);
  rmSync(directory, { recursive: true, force: true });
});
