// Every kind of destination against the one contract.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { DestinationDeadlines } from '../../src/destination/deadline-destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../../src/destination/memory-destination.ts';
import { openDestination } from '../../src/destination/open-destination.ts';
import type { DestinationOptions } from '../../src/model/destination-options.ts';
import { type DestinationFixture, testDestination } from './destination.ts';

/** Longer than any call here takes. */
const CALL_MS = 60_000;

/** A file destination in a directory of its own. */
const fileFixture = (options: DestinationOptions) => async (): Promise<DestinationFixture> => {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-destination-'));
  const open = () => openDestination({ scheme: 'file', path, options });
  return {
    open,
    cleanUp: () => rm(path, { recursive: true, force: true }),
    residue: async () => {
      const entries = await readdir(path, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => !entry.isDirectory());
      return files.map((entry) => relative(path, join(entry.path, entry.name))).sort();
    },
    openAway: () => openDestination({ scheme: 'file', path: join(path, 'gone'), options }),
  };
};

testDestination('file', fileFixture({}));

testDestination('file within limits and deadlines', async () => {
  const fixture = await fileFixture({ max_bandwidth: '1G', max_iops: '100000' })();
  const deadlines = new DestinationDeadlines(CALL_MS);
  return { ...fixture, open: () => deadlines.wrap(fixture.open()) };
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
