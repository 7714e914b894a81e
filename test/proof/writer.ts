// An application of the proof in a process of its own: commits links of the chain (see chain.ts) and does, as its options
// say, what applications do to a WAL. Each commit is logged to a file once it is done: `n begunMs doneMs digest`.
// Messages: `hold` takes the write lock and answers with the newest commit, `release` lets it go, `stop` ends it.
import { randomBytes } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { DatabaseSync } from '../../src/base/sqlite.ts';
import { blobText, type Link, nextLink, type Shape, statementsOf } from './chain.ts';

export interface WriterOptions {
  path: string;
  logPath: string;
  writer: number;
  ratePerSecond: number;
  synchronous: 'OFF' | 'NORMAL' | 'FULL';
  autocheckpoint: number;
  /** Every so often: `wal_checkpoint(TRUNCATE)` from a connection of its own; 0 for never. */
  truncateMs: number;
  /** One commit in so many is followed by VACUUM, by closing and opening again, by a rollback that spilled; 0 for never. */
  vacuumOneIn: number;
  closeOneIn: number;
  rollbackOneIn: number;
}

const BUSY_TIMEOUT_MS = 20_000;
const NONCE_BYTES = 8;
/** A closed application is away for so long at most. */
const AWAY_MS_MAX = 300;
const POLL_MS = 20;
const SPILLED_ROWS = 40;
const SPILLED_BYTES = 3000;
const SQLITE_BUSY = 5;

const options = JSON.parse(process.argv[2]!) as WriterOptions;
const log = openSync(options.logPath, 'a');
let db = open();
const shape = db.prepare('SELECT * FROM shape').get() as unknown as Shape;
let timer: NodeJS.Timeout | undefined;
let isHeld = false;
let isStopping = false;

function open(): InstanceType<typeof DatabaseSync> {
  const opened = new DatabaseSync(options.path, { timeout: BUSY_TIMEOUT_MS });
  opened.exec(`PRAGMA wal_autocheckpoint = ${options.autocheckpoint}; PRAGMA synchronous = ${options.synchronous}`);
  // A small cache spills, so that rolled back transactions leave frames in the WAL.
  if (options.rollbackOneIn > 0) opened.exec('PRAGMA cache_size = 5');
  return opened;
}

const oneIn = (count: number): boolean => count > 0 && randomBytes(4).readUInt32BE(0) % count === 0;

function lastLink(): Link {
  const row = db.prepare('SELECT n, writer, nonce, digest FROM chain ORDER BY n DESC LIMIT 1').get() as unknown as Link;
  return { ...row, nonce: Buffer.from(row.nonce), digest: Buffer.from(row.digest) };
}

function commit(): void {
  db.exec('BEGIN IMMEDIATE');
  const begunMs = Date.now();
  const link = nextLink(lastLink(), options.writer, randomBytes(NONCE_BYTES));
  for (const statement of statementsOf(link, shape)) db.exec(statement);
  db.exec('COMMIT');
  writeSync(log, `${link.n} ${begunMs} ${Date.now()} ${link.digest.toString('hex')}\n`);
}

function rollBack(): void {
  db.exec('BEGIN IMMEDIATE');
  for (let k = 0; k < SPILLED_ROWS; k++)
    db.exec(`INSERT OR REPLACE INTO slot VALUES (${k}, 0, ${blobText(randomBytes(SPILLED_BYTES))})`);
  db.exec('ROLLBACK');
}

/** What an application should not do, but may. */
function truncate(): void {
  if (isHeld) return;
  const impatient = new DatabaseSync(options.path, { timeout: 50 });
  try {
    impatient.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
  } finally {
    impatient.close();
  }
}

/** Runs work that may find the database busy: then it is tried again another time. */
function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (db.isOpen && db.isTransaction) db.exec('ROLLBACK');
    if ((((error as { errcode?: number }).errcode ?? 0) & 0xff) !== SQLITE_BUSY) throw error;
  }
}

function step(): void {
  if (isStopping || isHeld) return;
  let awayMs = 0;
  attempt(() => {
    commit();
    if (oneIn(options.rollbackOneIn)) rollBack();
    if (oneIn(options.vacuumOneIn)) db.exec('VACUUM');
    if (oneIn(options.closeOneIn)) {
      db.close();
      awayMs = randomBytes(2).readUInt16BE(0) % AWAY_MS_MAX;
    }
  });
  if (!db.isOpen) timer = setTimeout(reopen, awayMs);
  else schedule();
}

function reopen(): void {
  if (isStopping) return;
  db = open();
  schedule();
}

function schedule(): void {
  clearTimeout(timer);
  timer = setTimeout(step, (500 + (randomBytes(2).readUInt16BE(0) % 1000)) / options.ratePerSecond);
}

function hold(): void {
  if (!db.isOpen) {
    setTimeout(hold, POLL_MS);
    return;
  }
  attempt(() => {
    db.exec('BEGIN IMMEDIATE');
    isHeld = true;
    const { n, digest } = lastLink();
    process.send!({ held: { n, digest: digest.toString('hex') } });
  });
  if (!isHeld) setTimeout(hold, POLL_MS);
}

process.on('message', (message) => {
  if (message === 'hold') hold();
  else if (message === 'release') {
    db.exec('ROLLBACK');
    isHeld = false;
    process.send!({ released: true });
    schedule();
  } else {
    isStopping = true;
    if (db.isOpen) db.close();
    process.disconnect();
    process.exit(0);
  }
});
process.on('disconnect', () => process.exit(0));
if (options.truncateMs > 0) setInterval(() => attempt(truncate), options.truncateMs);
process.send!({ ready: true });
schedule();
