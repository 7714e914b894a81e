// Every kind of destination against the one contract.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileDestination } from '../../src/destination/file-destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../../src/destination/memory-destination.ts';
import { openDestination } from '../../src/destination/open-destination.ts';
import { testDestination } from './destination.ts';

testDestination('file', async () => {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-destination-'));
  return {
    open: () => new FileDestination({ scheme: 'file', path, options: {} }),
    cleanUp: () => rm(path, { recursive: true, force: true }),
  };
});

testDestination('file within limits', async () => {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-destination-'));
  const options = { max_bandwidth: '1G', max_iops: '100000' };
  return {
    open: () => openDestination({ scheme: 'file', path, options }),
    cleanUp: () => rm(path, { recursive: true, force: true }),
  };
});

for (const append of [true, false]) {
  testDestination(append ? 'memory' : 'memory without append', async () => {
    const id = randomUUID();
    return {
      open: () => new MemoryDestination(id, { append }),
      cleanUp: async () => dropMemoryDestination(id),
    };
  });
}
