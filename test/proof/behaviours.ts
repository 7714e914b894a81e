// The applications of the proof: each does to its WAL what some application somewhere does.
import type { Behaviour } from './application.ts';

const shape = { slots: 200, changesMax: 5, bodyMax: 900 };
const MIB = 2 ** 20;
/** Just below the page at 1 GiB that SQLite never uses; the application's rows go over it. */
const HUGE_BALLAST_BYTES = 1023 * MIB;

/** Without the database across 1 GiB, which takes minutes. */
export const BEHAVIOURS: readonly Behaviour[] = [
  { name: 'calm', database: { pageSize: 4096, shape }, writers: 2 },
  {
    name: 'eager',
    database: { pageSize: 1024, shape },
    writers: 1,
    options: { autocheckpoint: 10, synchronous: 'FULL' },
  },
  {
    name: 'truncating',
    database: { pageSize: 4096, shape },
    writers: 1,
    options: { truncateMs: 700, autocheckpoint: 50 },
  },
  {
    name: 'vacuuming',
    database: { pageSize: 8192, shape: { ...shape, bodyMax: 5000 } },
    writers: 1,
    options: { vacuumOneIn: 25, rollbackOneIn: 10 },
  },
  { name: 'closing', database: { pageSize: 512, shape }, writers: 1, options: { closeOneIn: 15 } },
  { name: 'replaced', database: { pageSize: 4096, shape }, writers: 1, isReplaced: true },
  {
    name: 'wide',
    database: { pageSize: 65_536, shape },
    writers: 1,
    options: { autocheckpoint: 20, rollbackOneIn: 20 },
  },
];

export const HUGE: Behaviour = {
  name: 'huge',
  database: {
    pageSize: 4096,
    shape: { slots: 600, changesMax: 5, bodyMax: 20_000 },
    ballastBytes: HUGE_BALLAST_BYTES,
  },
  writers: 1,
  options: { ratePerSecond: 8 },
};
