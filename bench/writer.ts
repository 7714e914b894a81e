// A sample application, in a process of its own: transactions at a steady rate against a sample database; at the rate 0 one
// after the other, without a pause.
// Arguments: DATABASE LOG RATE SECONDS SYNCHRONOUS. Prints `ready`, begins at the first byte of standard input, ends by
// itself. The log holds, per commit, three 64-bit little-endian counts of nanoseconds of the monotonic clock, which on
// Linux is one clock for all processes: when the transaction was due, when it began, when COMMIT had returned.
// Each commit writes its number into the row of `bench_marker`, so that whoever finds the page knows the commit.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { DatabaseSync } from '../src/base/sqlite.ts';
import { commitMarker, LOG_ENTRY_BYTES } from './commit-log.ts';
import { seededRandom } from './sample-database.ts';

const BUSY_TIMEOUT_MS = 20_000;
const NS_PER_SECOND = 1_000_000_000n;
const LINES = 3;
/** The log has room for no more. */
const UNPACED_PER_SECOND_MAX = 100_000;
/** Transactions before the first that is logged: they find cold code and cold pages. They are marked as number 0. */
const WARM_UP = 100;

const [path, logPath, rateText, secondsText, synchronous] = process.argv.slice(2);
if (!path || !logPath || !synchronous) throw new Error('usage: writer DATABASE LOG RATE SECONDS SYNCHRONOUS');
const rate = Number(rateText);
const seconds = Number(secondsText);
const commitCount = (rate === 0 ? UNPACED_PER_SECOND_MAX : rate) * seconds;
const random = seededRandom(7);
const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}`);
db.exec(`CREATE TABLE IF NOT EXISTS bench_marker (id INTEGER PRIMARY KEY, marker TEXT NOT NULL);
  INSERT OR REPLACE INTO bench_marker VALUES (1, '${commitMarker(0)}')`);
const rowCount = (table: string) => Number((db.prepare(`SELECT max(id) AS n FROM ${table}`).get() as { n: number }).n);
const customers = rowCount('customers');
let orderId = rowCount('orders');

const statements = {
  mark: db.prepare('UPDATE bench_marker SET marker = ? WHERE id = 1'),
  order: db.prepare(`INSERT INTO orders VALUES (?, ?, strftime('%Y-%m-%dT%H:%M:%fZ'), 'new', ?)`),
  line: db.prepare(`INSERT INTO order_lines VALUES (?, ?, 'a product of the benchmark', ?, ?)`),
  customer: db.prepare('UPDATE customers SET balance = balance + ? WHERE id = ?'),
};

/** An order as a shop books it: some 8 pages. */
function book(commitNo: number): void {
  const [customerId, total] = [1 + random(customers), random(50_000)];
  orderId++;
  db.exec('BEGIN IMMEDIATE');
  statements.order.run(orderId, customerId, total);
  for (let line = 1; line <= LINES; line++) statements.line.run(orderId, line, 1 + random(4), random(20_000));
  statements.customer.run(total, customerId);
  statements.mark.run(commitMarker(commitNo));
  db.exec('COMMIT');
}

const idle = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps with better than a millisecond's accuracy; this process has nothing else to do. */
function sleepUntil(ns: bigint): void {
  const leftNs = ns - process.hrtime.bigint();
  if (leftNs > 0n) Atomics.wait(idle, 0, 0, Number(leftNs) / 1e6);
}

for (let i = 0; i < WARM_UP; i++) book(0);
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const log = Buffer.alloc(commitCount * LOG_ENTRY_BYTES);
const startNs = process.hrtime.bigint();
const endNs = startNs + BigInt(seconds) * NS_PER_SECOND;
let commits = 0;
for (let i = 0; i < commitCount; i++) {
  // When transactions take too long the next ones begin late, but are due as before.
  const dueNs = rate === 0 ? process.hrtime.bigint() : startNs + (BigInt(i) * NS_PER_SECOND) / BigInt(rate);
  if (rate === 0 && dueNs > endNs) break;
  sleepUntil(dueNs);
  const begunNs = process.hrtime.bigint();
  book(i + 1);
  const committedNs = process.hrtime.bigint();
  for (const [at, ns] of [dueNs, begunNs, committedNs].entries()) log.writeBigInt64LE(ns, i * LOG_ENTRY_BYTES + at * 8);
  commits++;
}
db.close();
writeFileSync(logPath, log.subarray(0, commits * LOG_ENTRY_BYTES));
process.exit(0);
