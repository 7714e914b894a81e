import { describe, expect, it } from 'vitest';
import { lineAt, MYSQL_RULES, nameOf, quoteName, quoteString, SQLITE_RULES, tokenize } from './sql-tokens.ts';

const kinds = (sql: string, rules = SQLITE_RULES) =>
  tokenize(sql, rules)
    .filter((token) => token.kind !== 'space')
    .map((token) => `${token.kind}:${token.text}`);

describe('tokenize', () => {
  it('reads the lexical rules of SQLite', () => {
    expect(kinds(`SELECT a."b""c", [d e], \`f\`, 'it''s', x'00', 1.5e3, 0xFF, .5 -- end`)).toEqual([
      'word:SELECT',
      'word:a',
      'operator:.',
      'quoted:"b""c"',
      'operator:,',
      'quoted:[d e]',
      'operator:,',
      'quoted:`f`',
      'operator:,',
      "string:'it''s'",
      'operator:,',
      "string:x'00'",
      'operator:,',
      'number:1.5e3',
      'operator:,',
      'number:0xFF',
      'operator:,',
      'number:.5',
      'comment:-- end',
    ]);
    expect(kinds(String.raw`'a\' b`)).toEqual([String.raw`string:'a\'`, 'word:b']);
    expect(kinds('? ?1 :a @b $c')).toEqual(['placeholder:?', 'named:?1', 'named::a', 'named:@b', 'named:$c']);
    expect(kinds('a->>b||c<=d')).toEqual([
      'word:a',
      'operator:->>',
      'word:b',
      'operator:||',
      'word:c',
      'operator:<=',
      'word:d',
    ]);
    expect(kinds('/* a; */x/* open')).toEqual(['comment:/* a; */', 'word:x', 'comment:/* open']);
  });

  it('reads the lexical rules of MySQL', () => {
    expect(kinds(String.raw`'a\'b' "c\"d" # end`, MYSQL_RULES)).toEqual([
      String.raw`string:'a\'b'`,
      String.raw`string:"c\"d"`,
      'comment:# end',
    ]);
    expect(kinds('5--3 <=> @@global.x', MYSQL_RULES)).toEqual([
      'number:5',
      'operator:-',
      'operator:-',
      'number:3',
      'operator:<=>',
      'named:@@global.x',
    ]);
  });

  it('loses nothing of any text', () => {
    const seed = 20_261_122;
    let state = seed;
    const random = (below: number) => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return state % below;
    };
    const alphabet = [...`ab1.'"\`[]()/*-#\\?:@$ \n;😀é|<=>!&`];
    for (let round = 0; round < 2000; round++) {
      const text = Array.from({ length: random(40) }, () => alphabet[random(alphabet.length)]).join('');
      for (const rules of [SQLITE_RULES, MYSQL_RULES]) {
        const joined = tokenize(text, rules)
          .map((token) => token.text)
          .join('');
        expect(joined, `seed ${seed}, round ${round}`).toBe(text);
      }
    }
  });

  it('quotes and unquotes names', () => {
    expect(tokenize('"a""b"', SQLITE_RULES).map(nameOf)).toEqual(['a"b']);
    expect(quoteName('a"b')).toBe('"a""b"');
    expect(quoteString("it's")).toBe("'it''s'");
    expect(lineAt('a\nb\nc', 4)).toBe(3);
  });
});
