// Reads a database over and over in a process of its own, as the session of a client does, and says what it saw wrong.
//   node replay.fixture.mjs <location> <seed>
// A state is whole when every row of `t` has the same `step`, and SQLite finds nothing wrong.
import { DatabaseSync } from '@photostructure/sqlite';

const [location, seedText] = process.argv.slice(2);
let seed = Number(seedText);
const random = (below) => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
  return (seed >>> 8) % below;
};
const db = new DatabaseSync(location, { readOnly: true, timeout: 10_000 });
const look = () => db.prepare('SELECT count(DISTINCT step) AS states, max(step) AS step FROM t').get();
let last = -1;
let looks = 0;
const pause = () => new Promise((resolve) => setTimeout(resolve, random(5)));
process.stdin.resume().on('end', () => {
  process.stdout.write(`done ${looks} ${last}\n`, () => process.kill(process.pid, 'SIGKILL'));
});
for (;;) {
  const problems = [];
  db.exec('BEGIN');
  const first = look();
  if (first.states !== 1) problems.push(`${first.states} states at once`);
  if (first.step < last) problems.push(`step ${first.step} after ${last}`);
  await pause();
  const again = look();
  if (again.step !== first.step) problems.push(`step ${again.step} in a transaction of ${first.step}`);
  if (random(10) === 0) {
    const check = Object.values(db.prepare('PRAGMA quick_check').get())[0];
    if (check !== 'ok') problems.push(check);
  }
  db.exec('COMMIT');
  last = first.step;
  looks++;
  for (const problem of problems) process.stdout.write(`bad ${problem}\n`);
  await pause();
}
