// Goal: what was done is in the store, within its bounds. Method: a real store, a clock that stands where it is put.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { openStore, type Store } from '../store/store.ts';
import { createAudit } from './audit.ts';
import type { AuditService } from './audit-service.ts';

const DAY_NS = 86_400n * 1_000_000_000n;
const statement = {
  tenantId: 1002,
  user: 'root',
  host: '10.0.0.1',
  connectionId: 4,
  text: 'ALTER SYSTEM BACKUP DATABASE',
};

let dataDir: string;
let store: Store;
let audit: AuditService;
let nowNs = 100n * DAY_NS;
let logged: string[];

function openAudit(): AuditService {
  const clock: Clock = { nowNs: () => nowNs, monotonicMs: () => 0 };
  return createAudit({ store, clock, log: createLog('debug', (line) => logged.push(line)) });
}

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'holdfast-audit-'));
  store = openStore(dataDir, { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  nowNs = 100n * DAY_NS;
  logged = [];
  audit = openAudit();
});
afterEach(() => {
  audit.stop();
  store[Symbol.dispose]();
  rmSync(dataDir, { recursive: true, force: true });
});

const rows = () => store.auditEvents.find();

describe('a statement that runs', () => {
  test('is in the store before it begins, without an outcome, and with one afterwards', () => {
    const eventId = audit.begin(statement);
    const { text, ...actor } = statement;
    const begun = { ...actor, kind: 'STATEMENT', statement: text, firstNs: nowNs, lastNs: nowNs, count: 1 };
    expect(rows()).toEqual([{ ...begun, eventId, errno: null, elapsedUs: null }]);
    audit.end(eventId, { errno: 9040, elapsedUs: 1234 });
    expect(rows()).toEqual([{ ...begun, eventId, errno: 9040, elapsedUs: 1234 }]);
  });

  test('keeps a bounded text', () => {
    audit.begin({ ...statement, text: `ALTER SYSTEM ${'😀'.repeat(5000)}` });
    const [row] = rows();
    expect(row!.statement!.length).toBeLessThanOrEqual(4096);
    expect(row!.statement).toMatch(/😀…$/u);
  });

  test('whose entry is gone, or can not be completed, ends all the same', () => {
    audit.end(77, { errno: 0, elapsedUs: 1 });
    expect(rows()).toEqual([]);
    expect(logged).toEqual([]);
  });
});

describe('what is counted', () => {
  test('is written together, and goes on in its entry', () => {
    for (let i = 0; i < 3; i++) audit.logIn({ tenantId: 1002, user: 'root', host: 'a' }, 1045);
    audit.count(statement, 1227);
    expect(rows()).toEqual([]);
    audit.stop();
    audit.logIn({ tenantId: 1002, user: 'root', host: 'a' }, 1045);
    audit.stop();
    expect(rows().map(({ kind, count, errno, connectionId }) => [kind, count, errno, connectionId])).toEqual([
      ['LOGIN', 4, 1045, null],
      ['STATEMENT', 1, 1227, null],
    ]);
  });

  test('is written again when its entry was cleaned away', () => {
    audit.logIn({ tenantId: 1002, user: 'root', host: 'a' }, 0);
    audit.stop();
    store.trimAudit(0);
    audit.logIn({ tenantId: 1002, user: 'root', host: 'a' }, 0);
    audit.stop();
    expect(rows()).toMatchObject([{ count: 2 }]);
  });
});

describe('the bounds', () => {
  test('entries older than audit_retention go at the start', () => {
    audit.begin(statement);
    nowNs += 3n * DAY_NS;
    const newer = audit.begin(statement);
    store.setParameter(1, 'audit_retention', '2d');
    audit.start();
    expect(rows().map(({ eventId }) => eventId)).toEqual([newer]);
  });

  test('the newest stay, of one tenant or of all', () => {
    const ids = [1002, 1004, 1002, 1004, 1002].map((tenantId) => audit.begin({ ...statement, tenantId }));
    store.trimAudit(1, 1002);
    expect(rows().map(({ eventId }) => eventId)).toEqual([ids[1], ids[3], ids[4]]);
    store.trimAudit(2);
    expect(rows().map(({ eventId }) => eventId)).toEqual([ids[3], ids[4]]);
    store.trimAudit(2);
    expect(rows()).toHaveLength(2);
  });

  test('a busy tenant loses his own oldest entries only', () => {
    const other = audit.begin({ ...statement, tenantId: 1004 });
    store.transaction(() => {
      for (let i = 0; i < 10_250; i++) audit.begin(statement);
    });
    const found = rows();
    expect(found[0]!.eventId).toBe(other);
    expect(found.length).toBeGreaterThanOrEqual(10_001);
    expect(found.length).toBeLessThan(10_101 + 1);
  });
});
