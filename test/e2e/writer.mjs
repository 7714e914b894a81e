// A sample application for tests: writes numbered rows to a SQLite file until its standard input ends.
// node writer.mjs DATABASE [--rate=50] [--autocheckpoint=1000] [--offset=0] [--step=1] [--size=100] [--churn=0] [--reconnect=0]
// Prints `ready`, then the number of each commit once it is done, and when (ms since 1970).
import { DatabaseSync } from '@photostructure/sqlite';

const [database, ...rest] = process.argv.slice(2);
const options = Object.fromEntries(rest.map((text) => text.slice(2).split('=')));
const number = (name, fallback) => Number(options[name] ?? fallback);
const rate = number('rate', 50);
const step = number('step', 1);
const size = number('size', 100);
const churn = number('churn', 0);
const reconnectEvery = number('reconnect', 0);

function open() {
  const db = new DatabaseSync(database, { timeout: 20_000 });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = ${number('autocheckpoint', 1000)}`);
  db.exec(`CREATE TABLE IF NOT EXISTS marker (n INTEGER PRIMARY KEY, body TEXT NOT NULL) ;
           CREATE TABLE IF NOT EXISTS churn (k INTEGER PRIMARY KEY, body TEXT NOT NULL)`);
  return db;
}

let db = open();
let n = number('offset', 0);
let done = 0;
let isEnding = false;

function commit() {
  if (isEnding) return;
  n += step;
  db.exec('BEGIN IMMEDIATE');
  db.exec(`INSERT INTO marker VALUES (${n}, hex(randomblob(${size / 2})))`);
  if (churn > 0) db.exec(`INSERT OR REPLACE INTO churn VALUES (abs(random()) % ${churn}, hex(randomblob(${size})))`);
  db.exec('COMMIT');
  process.stdout.write(`${n} ${Date.now()}\n`);
  done++;
  if (reconnectEvery > 0 && done % reconnectEvery === 0) {
    db.close();
    db = open();
  }
}

process.stdout.write('ready\n');
const timer = setInterval(commit, 1000 / rate);
process.stdin.resume();
process.stdin.on('end', () => {
  isEnding = true;
  clearInterval(timer);
  process.exit(0);
});
