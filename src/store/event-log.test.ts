import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NewEvent } from '../model/event.ts';
import { EVENTS_MAX } from './event-log.ts';
import { openStore, type Store } from './store.ts';

const HOUR_NS = 3_600_000_000_000n;
const NOW = 1_740_790_800_000_000_000n;

let directory: string;
let store: Store;
const open = () => openStore(directory, { clusterName: 'c', clusterId: 1, timeZone: '+00:00' });
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-events-'));
  store = open();
});
afterEach(() => {
  store[Symbol.dispose]();
  rmSync(directory, { recursive: true, force: true });
});

const event = (id: number | bigint): NewEvent => ({
  module: 'backup_data',
  event: 'start_backup_data',
  facts: { tenant_id: 1002, job_id: id, result: 0 },
});
const idsAt = (nowNs: bigint) => [...store.events.since(nowNs)].map(({ facts }) => Number(facts[1]![1]));

test('an event comes back as it was recorded, also after a restart', () => {
  store.recordEvent(NOW, { ...event(7), extraInfo: 'why' });
  store[Symbol.dispose]();
  store = open();
  expect([...store.events.since(NOW)]).toEqual([
    {
      eventId: 1,
      timeNs: NOW,
      module: 'backup_data',
      event: 'start_backup_data',
      facts: [
        ['tenant_id', '1002'],
        ['job_id', '7'],
        ['result', '0'],
      ],
      extraInfo: 'why',
    },
  ]);
});

test('an event is there exactly when the change is that it tells of', () => {
  expect(() =>
    store.transaction(() => {
      store.recordEvent(NOW, event(1));
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(idsAt(NOW)).toEqual([]);
});

test('more pages than one come in order', () => {
  store.transaction(() => {
    for (let id = 1; id <= 1234; id++) store.recordEvent(NOW + BigInt(id), event(id));
  });
  expect(idsAt(NOW)).toEqual(Array.from({ length: 1234 }, (_, at) => at + 1));
});

test('what is older than event_history_retention is not shown, and goes', () => {
  store.setParameter(1, 'event_history_retention', '2h');
  store.recordEvent(NOW - 3n * HOUR_NS, event(1));
  store.recordEvent(NOW - HOUR_NS, event(2));
  expect(idsAt(NOW)).toEqual([2]);
  store[Symbol.dispose]();
  store = open();
  store.recordEvent(NOW, event(3));
  store.setParameter(1, 'event_history_retention', '30d');
  expect(idsAt(NOW)).toEqual([2, 3]);
});

test('there are never many more than the bound', () => {
  store.transaction(() => {
    for (let id = 1; id <= EVENTS_MAX + 2_000; id++) store.recordEvent(NOW, event(id));
  });
  const ids = idsAt(NOW);
  expect(ids.length).toBeGreaterThanOrEqual(EVENTS_MAX);
  expect(ids.length).toBeLessThanOrEqual(EVENTS_MAX + 501);
  expect(ids.at(-1)).toBe(EVENTS_MAX + 2_000);
});
