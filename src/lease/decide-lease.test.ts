import { describe, expect, test } from 'vitest';
import type { LeaseFile, LeaseHolder } from '../format/lease-file.ts';
import { decideLease } from './decide-lease.ts';

const bytes = (value: number, count = 16) => new Uint8Array(count).fill(value);
const me: LeaseHolder = {
  instanceId: bytes(1),
  machine: bytes(2, 32),
  life: bytes(3, 32),
  process: bytes(4),
  hostName: 'a',
  dataDir: '/a',
  serverVersion: '1',
};
const by = (over: Partial<LeaseHolder>) => {
  const file: LeaseFile = {
    ...me,
    process: bytes(9),
    ...over,
    generation: 5,
    clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
    tenantId: 1002,
    destKind: 'archive_log',
    acquiredNs: 1n,
  };
  return { generation: 5, file };
};
const WISH = { hasLost: false, isForced: false, isRetired: false };
const claim = (over: Partial<LeaseHolder> | null | undefined, wish: Partial<typeof WISH> = {}, as = me) => {
  const newest = over === undefined ? undefined : over === null ? { generation: 5, file: null } : by(over);
  return decideLease(newest, as, { ...WISH, ...wish });
};

describe('who may write', () => {
  test('whoever comes first', () => expect(claim(undefined)).toEqual({ kind: 'take', isSure: true }));

  test('the process that holds it', () => expect(claim({ process: me.process })).toEqual({ kind: 'hold' }));
  test('the process that held it and gave it up, once more', () => {
    expect(claim({ process: me.process }, { isRetired: true })).toEqual({ kind: 'take', isSure: true });
    expect(claim({ instanceId: bytes(8) }, { isRetired: true })).toEqual({ kind: 'refuse' });
  });

  test('the same server, started again', () => expect(claim({})).toEqual({ kind: 'take', isSure: true }));

  test.each<[string, Partial<LeaseHolder>]>([
    ['the machine was started again, or is a copy of itself', { life: bytes(8, 32) }],
    ['nothing tells one start of the machine from another', { life: null }],
  ])('the same server, which then looks what lies there: %s', (_, over) =>
    expect(claim(over)).toEqual({ kind: 'take', isSure: false }),
  );

  test('no server that knows of no life is sure of the one before', () => {
    expect(claim({ life: null }, {}, { ...me, life: null })).toEqual({ kind: 'take', isSure: false });
  });

  test.each<[string, Partial<LeaseHolder> | null]>([
    ['another data directory', { instanceId: bytes(8) }],
    ['a copy on another machine', { machine: bytes(8, 32) }],
    ['a copy where no machine is known', { machine: null }],
    ['a copy at another path', { dataDir: '/b' }],
    ['a damaged lease', null],
  ])('not another one: %s', (_, over) => {
    expect(claim(over)).toEqual({ kind: 'refuse' });
    expect(claim(over, { isForced: true })).toEqual({ kind: 'take', isSure: false });
  });

  test('not one that has lost it before, even to a twin', () => {
    expect(claim({}, { hasLost: true })).toEqual({ kind: 'refuse' });
    expect(claim({}, { hasLost: true, isForced: true })).toEqual({ kind: 'take', isSure: false });
  });
});
