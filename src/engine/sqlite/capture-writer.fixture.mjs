// An application for capture tests: a process of its own that commits, rolls back, vacuums and reconnects at random.
// Each committed transaction adds one row to `marker` with the next number, so any state shows which commits it holds.
import { createRequire } from 'node:module';

const { DatabaseSync } = createRequire(import.meta.url)('@photostructure/sqlite');
const options = JSON.parse(process.argv[2]);

let seed = options.seed >>> 0;
function random(below) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
}

let database;
let committed = 0;
let rolledBack = 0;
let maxMs = 0;
let isStopping = false;
const latencies = [];

function open() {
  database = new DatabaseSync(options.path, { timeout: 10_000 });
  database.exec(`PRAGMA wal_autocheckpoint = ${options.autocheckpoint}; PRAGMA synchronous = ${options.synchronous}`);
  if (options.cachePages) database.exec(`PRAGMA cache_size = ${options.cachePages}`);
}

function change(isRollback) {
  const rows = isRollback ? 20 + random(200) : 1 + random(options.rowsMax);
  const insert = database.prepare('INSERT INTO data (g, body) VALUES (?, ?)');
  const update = database.prepare('UPDATE data SET body = ? WHERE id = ?');
  const remove = database.prepare('DELETE FROM data WHERE id = ?');
  const last = database.prepare('SELECT max(id) AS id FROM data').get().id ?? 0;
  const g = database.prepare('SELECT coalesce(max(g), 0) + 1 AS g FROM marker').get().g;
  for (let i = 0; i < rows; i++) {
    const body = Buffer.alloc(1 + random(options.bodyMax), random(256));
    const what = random(10);
    if (what < 5 || last === 0) insert.run(g, body);
    else if (what < 8) update.run(body, 1 + random(last));
    else remove.run(1 + random(last));
  }
  database.prepare('INSERT INTO marker (g, writer, ns) VALUES (?, ?, ?)').run(g, options.writer, String(Date.now()));
  database.prepare('UPDATE state SET g = ?').run(g);
}

function transaction() {
  const isRollback = random(100) < options.rollbackPercent;
  const start = process.hrtime.bigint();
  database.exec('BEGIN IMMEDIATE');
  change(isRollback);
  database.exec(isRollback ? 'ROLLBACK' : 'COMMIT');
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  maxMs = Math.max(maxMs, ms);
  if (isRollback) rolledBack++;
  else {
    committed++;
    if (options.pauseMs > 0) latencies.push(ms);
  }
}

function step() {
  if (isStopping) return finish();
  if (committed >= options.commitsMax) return setTimeout(step, 5);
  try {
    transaction();
    if (options.vacuumOneIn && random(options.vacuumOneIn) === 0) database.exec('VACUUM');
    if (options.truncateOneIn && random(options.truncateOneIn) === 0) truncate();
    if (options.reconnectOneIn && random(options.reconnectOneIn) === 0) {
      database.close();
      open();
    }
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    if ((error.errcode & 0xff) !== 5) throw error;
  }
  if (options.pauseMs > 0) setTimeout(step, options.pauseMs);
  else setImmediate(step);
}

/** What an application should not do, but may: it must cost it time only. */
function truncate() {
  const impatient = new DatabaseSync(options.path, { timeout: 20 });
  impatient.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
  impatient.close();
}

function finish() {
  database.close();
  latencies.sort((a, b) => a - b);
  const at = (part) => latencies[Math.floor(latencies.length * part)] ?? 0;
  process.send({ done: { committed, rolledBack, maxMs, p50: at(0.5), p99: at(0.99) } }, () => process.disconnect());
}

process.on('message', () => {
  isStopping = true;
});
process.on('disconnect', () => process.exit());
open();
process.send({ ready: true });
step();
