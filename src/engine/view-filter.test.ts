import { expect, test } from 'vitest';
import { tenantOfQuery } from './view-filter.ts';

const of = (sql: string) => tenantOfQuery(sql, 'mysql');

test.each([
  'SELECT * FROM v WHERE TENANT_ID = 1002',
  'select status from oceanbase.v where tenant_id=1002;',
  "SELECT * FROM v AS x WHERE STATUS = 'DOING' AND x.TENANT_ID = 1002 ORDER BY ROUND_ID LIMIT 1",
  'SELECT count(*) FROM v WHERE TENANT_ID = 1002 /* OR */ AND ROUND_ID > 3 GROUP BY STATUS',
])('finds the tenant in %s', (sql) => {
  expect(of(sql)).toBe(1002);
});

test.each([
  'SELECT * FROM v',
  'SELECT * FROM v WHERE TENANT_ID = 1002 OR 1 = 1',
  'SELECT * FROM v WHERE NOT TENANT_ID = 1002',
  'SELECT * FROM v WHERE A BETWEEN 1 AND TENANT_ID = 1002',
  'SELECT * FROM v WHERE TENANT_ID = 1002 + 2',
  'SELECT * FROM v WHERE TENANT_ID = 1002 = 0',
  'SELECT * FROM v WHERE -TENANT_ID = 1002',
  'SELECT * FROM v WHERE TENANT_ID >= 1002',
  'SELECT * FROM v WHERE (TENANT_ID = 1002) IS NULL',
  'SELECT * FROM v WHERE IF(A = 1 AND TENANT_ID = 1002, 1, 1)',
  "SELECT * FROM v WHERE TENANT_ID = '1002'",
  'SELECT * FROM v WHERE ROUND_ID = 1 GROUP BY A HAVING B AND TENANT_ID = 1002',
  'SELECT A AND TENANT_ID = 1002 FROM v',
  'SELECT * FROM v WHERE TENANT_ID = 1002 UNION SELECT * FROM v',
  'SELECT * FROM v WHERE TENANT_ID = (SELECT max(TENANT_ID) FROM v WHERE TENANT_ID = 1002)',
  "SELECT 'WHERE TENANT_ID = 1002' FROM v",
])('finds none in %s', (sql) => {
  expect(of(sql)).toBeUndefined();
});
