// Finds the one tenant that a query over a single view asks for, so that only his rows have to be made. Pure; in doubt
// there is none, and the query itself filters all the same.
import { type Token, tokenize, viewRulesOf } from './sql-tokens.ts';

/** Words with which `AND TENANT_ID = n` may not be a condition that every row has to meet. */
const DOUBTFUL = new Set('OR XOR || BETWEEN CASE NOT ! UNION INTERSECT EXCEPT MINUS WITH JOIN'.split(' '));
/** What may follow a condition. */
const ENDS = new Set(['AND', 'GROUP', 'ORDER', 'LIMIT', ';']);

/** @returns the tenant's id when `WHERE … TENANT_ID = n …` holds for every row of the answer */
export function tenantOfQuery(sql: string, mode: 'mysql' | 'oracle'): number | undefined {
  const all = tokenize(sql, viewRulesOf(mode));
  const tokens = all.filter(({ kind }) => kind !== 'space' && kind !== 'comment');
  const count = (key: string) => tokens.filter((token) => token.key === key).length;
  if (tokens.some(({ key }) => DOUBTFUL.has(key)) || count('SELECT') !== 1 || count('WHERE') !== 1) return undefined;
  const from = tokens.findIndex(({ key }) => key === 'WHERE');
  for (let at = from; at < tokens.length; at++) {
    const { key } = tokens[at]!;
    // What is in brackets or behind the conditions is none of them.
    if (key === '(' || (at > from && key !== 'AND' && ENDS.has(key))) return undefined;
    if (key !== 'WHERE' && key !== 'AND') continue;
    const tenantId = conditionAt(tokens, at + 1);
    if (tenantId !== undefined) return tenantId;
  }
  return undefined;
}

/** `[name .] TENANT_ID = n` */
function conditionAt(tokens: readonly Token[], start: number): number | undefined {
  const at = tokens[start + 1]?.key === '.' ? start + 2 : start;
  const [column, equals, value, end] = tokens.slice(at, at + 4);
  if (column?.key !== 'TENANT_ID' || equals?.key !== '=' || value?.kind !== 'number') return undefined;
  if (!/^\d{1,15}$/.test(value.text) || (end && !ENDS.has(end.key))) return undefined;
  return Number(value.text);
}
