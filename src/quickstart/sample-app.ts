// The sample application of the quick start: a process of its own that owns a SQLite file and keeps writing to it,
// knowing nothing of Holdfast. Arguments: path of the database. Prints `writing` once the file is there.
import { DatabaseSync } from '../base/sqlite.ts';

const WRITES_PER_SECOND = 20;
const MS_PER_SECOND = 1000;
const CUSTOMERS = ['Ada', 'Brook', 'Chen', 'Dilnoza', 'Emeka', 'Fatima'];

const path = process.argv[2];
if (!path) throw new Error('usage: sample-app DATABASE');

const db = new DatabaseSync(path, { timeout: 5000 });
db.exec(`PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, customer VARCHAR(40) NOT NULL, amount DECIMAL(10,2) NOT NULL, created_at DATETIME NOT NULL)`);
const insert = db.prepare(
  "INSERT INTO orders (customer, amount, created_at) VALUES (?, printf('%.2f', ?), strftime('%Y-%m-%d %H:%M:%f', 'now'))",
);

let written = 0;
function write(): void {
  insert.run(CUSTOMERS[written % CUSTOMERS.length]!, ((written * 37) % 5000) / 100 + 1);
  written++;
}

// A history to begin with, so that there is something to back up.
const ROWS_AT_START = 2000;
db.exec('BEGIN');
while (written < ROWS_AT_START) write();
db.exec('COMMIT');
process.stdout.write('writing\n');
const timer = setInterval(write, MS_PER_SECOND / WRITES_PER_SECOND);
process.on('SIGTERM', () => {
  clearInterval(timer);
  process.exit(0);
});
