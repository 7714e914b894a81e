import { expect, test } from 'vitest';
import { splitStatements } from './split.ts';

const TRIGGER = 'CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE a SET b = 1; DELETE FROM c; END';

test.each([
  ['', []],
  [' ;; -- nothing\n ; /* x */', []],
  ['select 1', ['select 1']],
  ['select 1;', ['select 1']],
  ['select 1; select 2 ;\n', ['select 1', 'select 2']],
  ['select \';\' ; select "a;b", `c;d` /* ; */ -- ;\n , 2', ["select ';'", 'select "a;b", `c;d` /* ; */ -- ;\n , 2']],
  ["select 'a\\';b'; c", ["select 'a\\';b'", 'c']],
  ['/*!40101 SET NAMES utf8 */; select 1', ['/*!40101 SET NAMES utf8 */', 'select 1']],
  ['a /*!40101 b */; /* c */ d', ['a /*!40101 b */', 'd']],
  ["select 1; select 'open", ['select 1', "select 'open"]],
  [`${TRIGGER}; select 1`, [TRIGGER, 'select 1']],
  [TRIGGER.replace('CREATE', 'create temp'), [TRIGGER.replace('CREATE', 'create temp')]],
  [
    'CREATE DEFINER=`root`@`%` TRIGGER g BEFORE UPDATE ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; END; x',
    ['CREATE DEFINER=`root`@`%` TRIGGER g BEFORE UPDATE ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; END', 'x'],
  ],
  ['CREATE TABLE trigger_log (a); TRIGGER; b', ['CREATE TABLE trigger_log (a)', 'TRIGGER', 'b']],
])('splits %j', (sql, statements) => {
  expect(splitStatements(sql, 'mysql')).toEqual(statements);
});

test('a backslash escapes in mysql mode only', () => {
  const sql = "select 'a\\'; select 'b'";
  expect(splitStatements(sql, 'oracle')).toEqual(["select 'a\\'", "select 'b'"]);
  expect(splitStatements(sql, 'mysql')).toEqual([sql]);
});
